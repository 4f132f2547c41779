//! Recognises VGG by a file's tensor names.

use std::collections::BTreeMap;

use style_core::Result;

use crate::naming::{Family, Key, Layout, Names, Naming, Role, parse};
use crate::source::Source;
use crate::tensors::Tensors;

/// Finds the convolutions among a file's tensors.
pub(crate) fn recognise(tensors: &dyn Tensors, source: &Source) -> Result<Naming> {
    if let Some(naming) = tensors.naming() {
        return Ok(naming);
    }
    let list = tensors.list();
    let mut groups: BTreeMap<(Family, Key, &str), BTreeMap<Key, Names>> = BTreeMap::new();
    for &(name, shape) in &list {
        let Some((family, prefix, key, role)) = parse(name, shape.len()) else { continue };
        let first = match key {
            Key::Named(..) => Key::Named(1, 1),
            Key::Position(_) => Key::Position(0),
            Key::Ordinal(_) => Key::Ordinal(0),
        };
        let names = groups.entry((family, first, prefix)).or_default().entry(key).or_default();
        let place = if role == Role::Weight { &mut names.weight } else { &mut names.bias };
        if let Some(other) = place {
            return Err(source.bad(format!("{other} and {name} denote the same tensor; use a file with one network")));
        }
        *place = Some(name.to_owned());
    }
    groups.retain(|(_, first, _), convs| convs.get(first).is_some_and(|c| c.weight.is_some()));
    let mut groups = groups.into_iter();
    match (groups.next(), groups.next()) {
        (Some(((family, first, _), convs)), None) => {
            let weight = convs.get(&first).and_then(|c| c.weight.as_deref());
            let shape = list.iter().find(|(name, _)| Some(*name) == weight).map(|(_, shape)| *shape);
            let layout = layout(family, shape.unwrap_or_default());
            Ok(Naming { family, layout, first, convs })
        }
        (Some(((.., a), _)), Some(((.., b), _))) => Err(source
            .bad(format!("the file has several networks, at {a:?} and {b:?}; save one of them to a separate file"))),
        (None, _) => {
            let some: Vec<&str> = list.iter().take(4).map(|(name, _)| *name).collect();
            let some = if some.is_empty() { "none".into() } else { some.join(", ") };
            Err(source.bad(format!(
                "expected the first convolution of a VGG (conv1_1.weight, conv1_1_W, features.0.weight or block1_conv1), \
                 found {} tensors: {some}{}; use a VGG-16 or VGG-19 file",
                list.len(),
                if list.len() > 4 { ", ..." } else { "" },
            )))
        }
    }
}

/// The layout of a file whose first filters have this shape. Three inputs and 64 outputs identify the layout; other
/// shapes get the family's usual one.
fn layout(family: Family, first: &[usize]) -> Layout {
    match (first, family) {
        ([_, 3, 3, 3], _) if first[0] != 3 => Layout::Oihw,
        ([3, 3, 3, _], _) if first[3] != 3 => Layout::Hwio,
        (_, Family::Keras) => Layout::Hwio,
        _ => Layout::Oihw,
    }
}
