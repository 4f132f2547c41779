//! The tiling of a session's passes and the memory it needs, computed from shapes only.

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::describe::builder::SessionBuilder;
use crate::describe::targets::ResolvedLayer;
use crate::distributed::copies::Copies;
use crate::distributed::gradient::TileGradient;
use crate::distributed::range;
use crate::distributed::share::Share;
use crate::error::{Error, ErrorKind, Result};
use crate::loss::measure::values;
use crate::loss::scratch::{OWN, largest};
use crate::loss::statistics::sums::Sums;
use crate::loss::term::Additivity;
use crate::network::taps::Taps;
use crate::pass::plan::InBands;
use crate::pass::tiled::{PassesOptions, PassesPlan, look_bytes};
use crate::pass::tiles::{Grid, WHOLE, Window, finest};
use crate::prepare::check::{Checked, Layers};
use crate::prepare::layout::{Layout, finer};
use crate::prepare::plan::Plan;

fn sum(bytes: impl IntoIterator<Item = usize>) -> usize {
    bytes.into_iter().fold(0, usize::saturating_add)
}

impl<B: Backend> SessionBuilder<B> {
    /// The coarsest tiling within the memory limit, reusing the previous one if valid.
    pub(crate) fn lay_out(&self, checked: &Checked<B>, before: Option<&Layout>) -> Result<(Plan, Layout)> {
        if let Some(laid_out) = before.and_then(|before| self.as_before(checked, before)) {
            return Ok(laid_out);
        }
        let shape = checked.shape;
        let most = self.finest(checked, shape);
        let mut grid = self.tiles.unwrap_or(WHOLE);
        grid = [grid[0].clamp(1, most[0]), grid[1].clamp(1, most[1])];
        while grid[0] * grid[1] < self.communicator.processes() {
            let Some(finer) = finer(shape, grid, most) else { break };
            grid = finer;
        }
        let Some(limit) = self.limit() else { return self.laid_out(checked, shape, grid, None) };
        let fits = |shape, grid| self.laid_out(checked, shape, grid, None).is_ok_and(|(plan, _)| plan.peak() <= limit);
        if fits(shape, grid) {
            return self.laid_out(checked, shape, grid, None);
        }
        if !fits(shape, most) {
            // For a small picture tiles take more than they save.
            let [finest, coarsest] =
                [self.laid_out(checked, shape, most, None)?.0, self.laid_out(checked, shape, grid, None)?.0];
            let needed = if finest.peak() <= coarsest.peak() { finest } else { coarsest };
            return Err(self.exceeded(checked, &needed, limit));
        }
        while let Some(next) = finer(shape, grid, most).filter(|_| !fits(shape, grid)) {
            grid = next;
        }
        self.laid_out(checked, shape, grid, None)
    }

    /// The finest grid for a picture of this shape: one tile if a loss needs all features at once.
    fn finest(&self, checked: &Checked<B>, shape: Shape) -> Grid {
        match self.whole(&checked.layers) {
            Some(_) => WHOLE,
            None => finest(&self.network, shape, &checked.taps),
        }
    }

    /// The previous tiling, if it belongs to this session, has enough tiles for the processes, is at least as fine as
    /// requested, and fits the memory limit.
    fn as_before(&self, checked: &Checked<B>, before: &Layout) -> Option<(Plan, Layout)> {
        let most = self.finest(checked, checked.shape);
        let least = self.tiles.unwrap_or(WHOLE);
        let [rows, columns] = before.picture;
        let fine = (0..2).all(|i| (least[i].min(most[i])..=most[i]).contains(&before.picture[i]));
        if !fine || rows * columns < self.communicator.processes() {
            return None;
        }
        let (plan, layout) = self.laid_out(checked, checked.shape, before.picture, Some(before)).ok()?;
        let fits = self.limit().is_none_or(|limit| plan.peak() <= limit);
        (fits && layout == *before).then_some((plan, layout))
    }

    /// The memory limit in bytes, including the network's filters.
    fn limit(&self) -> Option<usize> {
        let free = self.network.backend().free_memory().map(|free| free.saturating_add(self.network.bytes()));
        [self.memory_limit, free].into_iter().flatten().min()
    }

    /// The error if nothing fits, with the largest picture that would.
    fn exceeded(&self, checked: &Checked<B>, needed: &Plan, limit: usize) -> Error {
        let Shape { width, height, .. } = checked.shape;
        let unit = self.side_unit().unwrap_or(1);
        let scaled = |factor: f64| {
            let side = |n: usize| ((n as f64 * factor / unit as f64) as usize).max(1).saturating_mul(unit);
            Shape { height: side(height), width: side(width), ..checked.shape }
        };
        let fits = |factor: f64| {
            let shape = scaled(factor);
            let most = self.finest(checked, shape);
            self.laid_out(checked, shape, most, None).is_ok_and(|(plan, _)| plan.peak() <= limit)
        };
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..12 {
            let middle = 0.5 * (low + high);
            if fits(middle) { low = middle } else { high = middle }
        }
        let largest = if low > 0.0 { scaled(low) } else { Shape::new(3, 0, 0) };
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        let instead = match largest.is_empty() {
            true => "no size fits with these style pictures and layers".to_owned(),
            false => {
                format!("{} x {} would fit, with style pictures of at most this size", largest.width, largest.height)
            }
        };
        let whole =
            self.whole(&checked.layers).map(|what| format!("; {what} needs the whole picture, so there are no tiles"));
        let message = format!(
            "a session of {width} x {height} pixels needs at least {} MiB, of which the image and the optimiser's vectors take {} \
             MiB; the limit is {} MiB; {instead}; Adam needs the fewest vectors{}",
            mib(needed.peak()),
            mib(needed.optimizer),
            limit >> 20,
            whole.unwrap_or_default(),
        );
        let kind = ErrorKind::MemoryExceeded { needed: needed.peak(), width: largest.width, height: largest.height };
        Error::new(kind, message)
    }

    /// The plan for a picture of `shape` with this grid; the other pictures use the previous tiling or a suitable new one.
    fn laid_out(
        &self,
        checked: &Checked<B>,
        shape: Shape,
        grid: Grid,
        before: Option<&Layout>,
    ) -> Result<(Plan, Layout)> {
        let backend = self.network.backend();
        let whole = grid == WHOLE;
        let limit = self.limit();
        let main = self.picture_passes(checked, shape, grid)?;
        let tensors = |shapes: &[Shape]| sum(shapes.iter().map(|&s| backend.tensor_bytes(s)));
        let vector = backend.tensor_bytes(shape);
        let one_channel = |s: Shape| backend.tensor_bytes(Shape::new(1, s.height, s.width));

        let content = checked.content_taps.iter().map(|&tap| {
            let features = main.features(tap);
            let masked = if self.content_mask.is_some() { 2 * one_channel(features) } else { 0 };
            backend.features_bytes(features).saturating_add(masked)
        });
        let layers = || checked.layers.style.iter().zip(&checked.style_taps);
        let shapes = |(layer, &tap): (&ResolvedLayer<B>, &usize)| values(&*layer.statistic, main.features(tap));
        let of_styles = sum(layers().map(|at| tensors(&shapes(at))));
        // The targets have the style picture's shapes. Those that are not averaged are copied once as they are prepared.
        let of_picture = |(layer, &tap): (&ResolvedLayer<B>, &usize), picture: Shape| {
            let pools = self.network.pools_before(layer.position);
            let Shape { channels, .. } = main.features(tap);
            let features = Shape::new(channels, picture.height >> pools, picture.width >> pools);
            let bytes = tensors(&values(&*layer.statistic, features));
            bytes.saturating_mul(if layer.statistic.blends() { 1 } else { 2 })
        };
        let pictures_of_styles = || self.styles.iter().map(|s| s.image.shape());
        let of_pictures = pictures_of_styles().map(|picture| sum(layers().map(|at| of_picture(at, picture))));
        let of_targets = of_pictures.max().unwrap_or(of_styles);
        let kept = |(layer, &tap): (&ResolvedLayer<B>, &usize)| {
            let features = main.features(tap);
            [layer.statistic.kept(features), layer.statistic.constants(features)].concat()
        };
        let prepared = sum(layers().map(|at| tensors(&kept(at))));
        let summed = main.tiles.len() > 1 || self.communicator.processes() > 1;
        let sums = sum(layers().filter(|_| summed).map(|at| Sums::bytes(&shapes(at))));
        let regions = self.regions();
        let maps = |passes: &PassesPlan, tap| {
            let of_band = passes.band_map(backend, tap).map_or(0, |map| backend.tensor_bytes(map));
            one_channel(passes.features(tap)).saturating_add(of_band).saturating_mul(2)
        };
        let guides = sum(layers().map(|(_, &tap)| maps(&main, tap)));
        let guided = regions.iter().filter(|(mask, _)| mask.is_some()).count();
        let of_region = sum([of_styles, of_targets, sums, prepared]);
        let of_regions = of_region.saturating_mul(regions.len());
        let losses = self.all_losses();
        let custom = losses.iter().zip(&checked.loss_taps).map(|((_, loss), taps)| {
            let shapes: Vec<_> = taps.iter().map(|&tap| main.features(tap)).collect();
            let shapes = if shapes.is_empty() { vec![shape] } else { shapes };
            self.described(shape, &shapes, |of| loss.bytes(backend, of))
        });
        let targets = sum(content)
            .saturating_add(sum(custom))
            .saturating_add(of_regions)
            .saturating_add(guides.saturating_mul(guided));

        let own = main.room(backend).map_or(0, |s| backend.features_bytes(s).saturating_mul(OWN));
        let scratch = [tensors(&self.scratch(checked, &main)), tensors(&Self::dvalues(checked, &main)), own];
        let activations = main.bytes(backend).saturating_add(sum(scratch));
        let workspace = self.workspace(checked, &main);
        let processes = self.communicator.processes();
        let shared = match processes {
            1 => 0,
            _ => Copies::bytes(backend, shape, processes).saturating_add(TileGradient::bytes(
                backend,
                shape,
                &self.seen(&main, processes),
            )),
        };
        let means = vector.saturating_mul(usize::from(self.settings.running_mean.is_some()) * 2);
        let of_share = self.settings.optimizer.bytes(backend, Share::largest(shape, processes));
        let optimizer = sum([of_share, means, shared]);
        let passes_bytes = activations.saturating_add(workspace);

        // A picture that is evaluated before the iterations is tiled until it also fits next to what is already allocated,
        // or takes no more memory than the iterations. Without a memory limit, workspaces are not counted: they grow with
        // the number of threads, and the tiling must not, because it determines the order of summation.
        let pictures = shape.len().saturating_mul(size_of::<f32>());
        let always = sum([self.network.bytes(), targets, optimizer, pictures]);
        let room = match limit {
            Some(limit) => limit.saturating_sub(always).max(passes_bytes),
            None if whole => usize::MAX,
            None => activations,
        };
        let kept = sum(self.styles.iter().map(|s| s.image.pixels().len().saturating_mul(size_of::<f32>())));
        type Cut<'a> = &'a dyn Fn(Grid) -> Result<PassesPlan>;
        let coarsest = |shape: Shape, taps: &Taps, cuts: bool, beside: usize, before: Option<Grid>, passes: Cut<'_>| {
            let most = if cuts { finest(&self.network, shape, taps) } else { WHOLE };
            let mut grid = before.map_or(WHOLE, |[rows, columns]| [rows.min(most[0]), columns.min(most[1])]);
            loop {
                let passes = passes(grid)?;
                let bytes = sum([look_bytes(backend, &passes), backend.tensor_bytes(shape), beside]);
                let counted = if limit.is_some() { bytes } else { bytes.saturating_sub(passes.workspace(backend)) };
                match finer(shape, grid, most) {
                    Some(next) if before.is_none() && counted > room => grid = next,
                    _ => return Ok((bytes, grid)),
                }
            }
        };
        let mut layout = Layout { picture: grid, content: WHOLE, styles: vec![] };
        let mut style_pass = 0;
        if self.content.is_some() && !self.settings.content_layers.is_empty() {
            let taps = checked.layers.content_taps();
            let before = before.map(|b| b.content);
            (style_pass, layout.content) =
                coarsest(shape, &taps, true, kept, before, &|grid| self.content_passes(&taps, shape, grid))?;
        }
        let cuts = checked.layers.style.iter().all(|l| l.statistic.additivity() != Additivity::Whole);
        for (i, style) in self.styles.iter().enumerate() {
            let taps = checked.layers.style_taps();
            let shape = style.image.shape();
            let passes = |grid| self.style_passes(&checked.layers, shape, grid);
            let beside = kept.saturating_add(of_targets.saturating_mul(self.styles.len()));
            let before = before.and_then(|b| b.styles.get(i).copied());
            let (bytes, grid) = coarsest(shape, &taps, cuts, beside, before, &passes)?;
            style_pass = style_pass.max(bytes);
            layout.styles.push(grid);
        }
        let [all, last] = main.flops();
        let [whole, _] = self.picture_passes(checked, shape, WHOLE)?.flops();
        let again = if main.tiles.len() == 1 || checked.layers.style.is_empty() { 0.0 } else { all - last };
        let plan = Plan {
            filters: self.network.bytes(),
            targets,
            style_pass,
            activations,
            workspace,
            optimizer,
            pictures,
            tiles: grid,
            work: (2.0 * all + again) / (2.0 * whole),
            convolutions: main.chain().convolutions(&self.network),
        };
        Ok((plan, layout))
    }

    /// The rectangle of the gradient that each process computes: of all pixels that its tiles see. The first also computes that
    /// of terms on the image.
    pub(crate) fn seen(&self, plan: &PassesPlan, processes: usize) -> Vec<Window> {
        let of_image = self.settings.tv_weight > 0.0 || self.all_losses().iter().any(|(_, l)| l.layers().is_empty());
        let all = Window::all(plan.picture());
        let seen = |process| match process == 0 && of_image {
            true => all,
            false => plan.seen_by(range(process, processes, plan.tiles.len())),
        };
        (0..processes).map(seen).collect()
    }

    /// The passes over the image.
    pub(crate) fn picture_passes(&self, checked: &Checked<B>, shape: Shape, grid: Grid) -> Result<PassesPlan> {
        let Checked { taps, layers, .. } = checked;
        let of_losses = |position| layers.losses.iter().flatten().any(|&at| at == position);
        let content = |position| layers.content.contains(&position) || of_losses(position);
        let in_bands = |position| !content(position) && sums(&layers.style, position);
        self.passes(shape, grid, taps, true, self.settings.seamless, &in_bands)
    }

    /// The forward passes over a content picture.
    pub(crate) fn content_passes(&self, taps: &Taps, shape: Shape, grid: Grid) -> Result<PassesPlan> {
        self.passes(shape, grid, taps, false, self.settings.seamless, &|_| false)
            .map_err(|e| e.context("the content picture"))
    }

    /// The forward passes over a style picture.
    pub(crate) fn style_passes(&self, layers: &Layers<B>, shape: Shape, grid: Grid) -> Result<PassesPlan> {
        let in_bands = |position| sums(&layers.style, position);
        self.passes(shape, grid, &layers.style_taps(), false, false, &in_bands)
            .map_err(|e| e.context("a style picture"))
    }

    fn passes(
        &self,
        shape: Shape,
        grid: Grid,
        taps: &Taps,
        backward: bool,
        seamless: bool,
        in_bands: InBands<'_>,
    ) -> Result<PassesPlan> {
        let (pooling, padding, cancel) = (self.settings.pooling, self.settings.padding, &self.cancel);
        let options = PassesOptions { taps, pooling, padding, backward, in_bands, grid, seamless, cancel };
        PassesPlan::new(&self.network, shape, options)
    }

    /// Shapes of the scratch tensors that the terms need.
    pub(crate) fn scratch(&self, checked: &Checked<B>, plan: &PassesPlan) -> Vec<Shape> {
        let guided = self.regions().iter().any(|(mask, _)| mask.is_some());
        let style = checked.layers.style.iter().zip(&checked.style_taps);
        let style = style.flat_map(|(l, &tap)| {
            let parts = plan.part_shapes(tap).flatten().map(|part| l.statistic.scratch(part, guided));
            parts.chain([l.statistic.distance_scratch(plan.features(tap))])
        });
        let masked = checked.content_taps.iter().filter(|_| self.content_mask.is_some());
        let masked = masked.flat_map(|&tap| plan.own_shapes(tap).map(|own| vec![own; 2]));
        largest(self.network.backend(), style.chain(masked))
    }

    /// Size of the workspace for the passes over the image and the terms, in bytes.
    pub(crate) fn workspace(&self, checked: &Checked<B>, plan: &PassesPlan) -> usize {
        let backend = self.network.backend();
        let style = checked.layers.style.iter().zip(&checked.style_taps);
        let style = style.map(|(l, &tap)| l.statistic.workspace(backend, plan.features(tap)));
        style.fold(plan.workspace(backend), usize::max)
    }

    /// Shapes of the gradients of the style layers' values.
    pub(crate) fn dvalues(checked: &Checked<B>, plan: &PassesPlan) -> Vec<Shape> {
        let style = checked.layers.style.iter().zip(&checked.style_taps);
        let lists: Vec<_> = style.map(|(l, &tap)| l.statistic.values(plan.features(tap))).collect();
        (0..lists.iter().map(Vec::len).max().unwrap_or(0))
            .filter_map(|i| lists.iter().filter_map(|l| l.get(i)).max_by_key(|s| s.len()).copied())
            .collect()
    }
}

/// Whether all statistics at a position are sums, which can be computed in bands.
fn sums<B: Backend>(layers: &[ResolvedLayer<B>], position: usize) -> bool {
    layers.iter().filter(|l| l.position == position).all(|l| l.statistic.additivity() == Additivity::Positions)
}
