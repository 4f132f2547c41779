//! From a checked description to a session: the targets, and all the memory that iterations need.

use std::sync::Arc;

use crate::average::Average;
use crate::builder::ContentWeight;
use crate::check::bad;
use crate::init::Start;
use crate::mask::{ContentGuide, Guide};
use crate::measure::Measure;
use crate::objective::{ContentTerm, Objective, Rooms, StyleTerm, Weights};
use crate::optim::{Carried, Descent, Point};
use crate::passes::{Passes, PassesPlan};
use crate::session::Stage;
use crate::targets::{Region, StyleLayer};
use crate::{Backend, Network, Result, Session, SessionBuilder, Shape};

impl<B: Backend> SessionBuilder<B> {
    /// Checks the description, computes the targets that are not given, and allocates all that the iterations need: of the
    /// first scale, if there are several.
    ///
    /// # Errors
    /// `Argument` if a picture or layer is missing or unknown, two settings contradict each other, or a number is out of
    /// its range; `Shape` if a picture is too small for the layers, or has another size than the others want;
    /// `MemoryExceeded`, before any work, if it takes more than it may, or than a device has free, into however many tiles
    /// it is cut; what the backend gives.
    pub fn build(self) -> Result<Session<B>> {
        self.plan_all()?;
        Session::new(self)
    }

    /// What one scale needs to be painted, whose description this is; `carried` is of the scale before.
    pub(crate) fn stage(mut self, carried: Option<Carried>) -> Result<Stage<B>> {
        let checked = self.check()?;
        let (network, shape) = (Arc::clone(&self.network), checked.shape);
        let backend = network.backend();
        let (_, layout) = self.lay_out(&checked)?;
        let plan = self.picture_passes(&checked, shape, layout.picture)?;
        let (scratch, dvalues) = (self.scratch(&checked, &plan), Self::dvalues(&checked, &plan));

        // The image and its descent come first, so that each picture can go as soon as it has been looked at.
        let start = Start {
            shape,
            content: self.content_image(),
            style: self.style_image(),
            noise: self.noise,
            ratio: self.noise_ratio,
            mean: network.mean(),
            seed: self.seed,
        };
        let start = self.chosen_init().image(&start)?;
        self.init = None;
        let point = Point { x: network.upload_owned(start)?, g: backend.tensor(shape)? };
        let mut descent = Descent::new(backend, shape, &self.optimizer)?;
        carried.map_or(Ok(()), |carried| descent.carry_on(backend, &carried))?;
        let average = self.ema.map(|decay| Average::new(backend, shape, decay)).transpose()?;

        let looked_at = self.content.take().filter(|_| !self.content_layers.is_empty());
        let features = looked_at.map(|image| self.content_features(image, layout.content)).transpose()?;
        let given = self.given.iter().find_map(|t| t.content.as_ref()).map(|c| &c.layers);
        let mut content = vec![];
        for (layer, &tap) in self.content_layers.iter().zip(&checked.content_taps) {
            let found = features.as_ref().or(given).and_then(|l| l.iter().find(|(name, _)| *name == layer.layer));
            let (_, target) = found.ok_or_else(|| bad(format!("there are no targets for {}", layer.layer)))?;
            let pools = network.pools_before(checked.taps[tap]);
            let guide = |mask| ContentGuide::new(backend, mask, shape, pools, plan.own(tap));
            let guides = self.content_mask.as_ref().map(guide).transpose()?.unwrap_or_default();
            content.push(ContentTerm { layer: layer.clone(), tap, target: Arc::clone(target), guides });
        }
        let styles = std::mem::take(&mut self.styles);
        let styled = !styles.is_empty() && !self.style_layers.is_empty();
        let regions = styled.then(|| self.style_regions(styles, &layout.styles)).transpose()?;
        let given = self.given.iter().find_map(|t| t.style.as_ref()).map(|s| (&s.layers, &s.regions));
        let (mut style, processes) = (vec![], self.reduce.processes());
        for (index, (layer, &tap)) in checked.style_layers.iter().zip(&checked.style_taps).enumerate() {
            let Some((layers, regions)) = regions.as_ref().map(|(l, r)| (l, r)).or(given) else { continue };
            let Some(at) = layers.iter().position(|l| l.name == layer.name) else { continue };
            for region in regions {
                let values = &region.values[at];
                style.push(Self::style_term(&network, &plan, index, (layer, tap), values, region, processes)?);
            }
        }
        let weights = self.weights(&mut content);

        let tensors = |shapes: Vec<Shape>| shapes.into_iter().map(|s| backend.tensor(s)).collect::<Result<Vec<_>>>();
        let own = |room| Ok([backend.features(room)?, backend.features(room)?, backend.features(room)?]);
        let rooms = Rooms {
            scratch: tensors(scratch)?,
            dvalues: tensors(dvalues)?,
            own: plan.room(backend).map(own).transpose()?,
        };
        let terms = content.len() * plan.tiles.len() + style.iter().map(|t| t.compared.len()).sum::<usize>();
        let objective = Objective {
            workspace: backend.workspace(plan.workspace(backend))?,
            passes: Passes::new(backend, plan)?,
            content,
            style_layers: self.style_layers,
            style,
            weights,
            rooms,
            scalars: backend.scalars(terms + 1)?,
            distances: vec![0.0; terms + 1],
            recording: B::Recording::default(),
            exchanged: if processes > 1 { vec![0.0; shape.len()] } else { vec![] },
            reduce: self.reduce,
        };
        Ok(Stage { objective, descent, point, average, evaluated: false })
    }

    fn style_term(
        network: &Network<B>,
        plan: &PassesPlan,
        index: usize,
        (layer, tap): (&StyleLayer<B>, usize),
        targets: &Arc<Vec<B::Tensor>>,
        region: &Region<B>,
        processes: usize,
    ) -> Result<StyleTerm<B>> {
        let backend = network.backend();
        let (statistic, features) = (&layer.statistic, plan.features(tap));
        let (image, pools) = (plan.picture(), network.pools_before(layer.position));
        let guide = |mask| Guide::new(backend, mask, image, pools, &layer.name, plan.own(tap));
        let guides = region.mask.as_ref().map(guide).transpose()?.unwrap_or_default();
        Ok(StyleTerm {
            layer: index,
            targets: Arc::clone(targets),
            compared: statistic.values(features),
            scale: statistic.scale(features),
            share: region.share * guides.first().map_or(1.0, |g| g.area),
            measure: Measure::new(backend, plan, tap, statistic, guides, processes)?,
        })
    }

    /// The weights of the total loss. For a mean of squares, each content layer's weight is made relative to the size
    /// of the first layer.
    fn weights(&self, content: &mut [ContentTerm<B>]) -> Weights {
        let backend = self.network.backend();
        let len = |t: &ContentTerm<B>| backend.shape(&t.target).len() as f64;
        let first = content.first().map_or(1.0, len);
        let alpha = match self.content_weight {
            ContentWeight::Sum(weight) => weight,
            ContentWeight::Mean(weight) => {
                for term in content.iter_mut() {
                    term.layer.weight *= first / len(term);
                }
                2.0 * weight / first
            }
        };
        Weights { content: alpha, style: self.style_weight, tv: self.tv_weight, tv_kind: self.tv }
    }
}
