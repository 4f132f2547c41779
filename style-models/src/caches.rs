//! Cache folders where other programs keep downloaded weight files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::vgg::Vgg;

/// The weight files of a network in the cache folders of torch hub and Keras, torch hub's first.
///
/// The folders are `$TORCH_HOME/hub/checkpoints`, else `$XDG_CACHE_HOME/torch/hub/checkpoints`, else
/// `~/.cache/torch/hub/checkpoints`; and `$KERAS_HOME/models`, else `~/.keras/models`. Only files with the names that
/// these programs use are listed. None is opened; [`crate::load`] reports whether a file is complete.
///
/// ```
/// for path in style_models::cached(style_models::Vgg::Vgg19) {
///     println!("found {}", path.display());
/// }
/// ```
#[must_use]
pub fn cached(vgg: Vgg) -> Vec<PathBuf> {
    let [torch, keras] = folders(|name| std::env::var_os(name), std::env::home_dir().as_deref());
    present(vgg, torch.as_deref(), keras.as_deref())
}

/// The folders of torch hub and Keras that the environment defines.
fn folders(variable: impl Fn(&str) -> Option<OsString>, home: Option<&Path>) -> [Option<PathBuf>; 2] {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = home.filter(|home| !home.as_os_str().is_empty());
    let cache = || set("XDG_CACHE_HOME").or_else(|| Some(home?.join(".cache")));
    let torch = set("TORCH_HOME").or_else(|| Some(cache()?.join("torch")));
    let keras = set("KERAS_HOME").or_else(|| Some(home?.join(".keras")));
    [torch.map(|t| t.join("hub").join("checkpoints")), keras.map(|k| k.join("models"))]
}

/// The files that exist in these folders.
fn present(vgg: Vgg, torch: Option<&Path>, keras: Option<&Path>) -> Vec<PathBuf> {
    // torchvision's own training, then Caffe's weights under torchvision's names; without the classifier, then with it
    let (torch_names, keras_names) = match vgg {
        Vgg::Vgg16 => (
            ["vgg16-397923af.pth", "vgg16-00b39a1b.pth"],
            ["vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "vgg16_weights_tf_dim_ordering_tf_kernels.h5"],
        ),
        Vgg::Vgg19 => (
            ["vgg19-dcbb9e9d.pth", "vgg19-d01eb7cb.pth"],
            ["vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", "vgg19_weights_tf_dim_ordering_tf_kernels.h5"],
        ),
    };
    let within = |folder: Option<&Path>, names: [&str; 2]| names.map(|name| Some(folder?.join(name)));
    let paths = within(torch, torch_names).into_iter().chain(within(keras, keras_names));
    paths.flatten().filter(|path| path.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(found: [Option<PathBuf>; 2]) -> [Option<String>; 2] {
        found.map(|path| Some(path?.display().to_string().replace('\\', "/")))
    }

    #[test]
    fn variables_go_before_the_home_folder() {
        let home = Some(Path::new("/somebody"));
        let with = |set: &[(&str, &str)], home| {
            let found = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
            strings(folders(found, home))
        };
        let some = |torch: &str, keras: &str| [Some(torch.to_owned()), Some(keras.to_owned())];
        let usual = some("/somebody/.cache/torch/hub/checkpoints", "/somebody/.keras/models");
        assert_eq!(with(&[], home), usual);
        assert_eq!(with(&[("TORCH_HOME", ""), ("XDG_CACHE_HOME", ""), ("KERAS_HOME", "")], home), usual);
        let xdg = ("XDG_CACHE_HOME", "/x");
        assert_eq!(with(&[xdg], home), some("/x/torch/hub/checkpoints", "/somebody/.keras/models"));
        let all = [xdg, ("TORCH_HOME", "/t"), ("KERAS_HOME", "/k")];
        assert_eq!(with(&all, home), some("/t/hub/checkpoints", "/k/models"));
        assert_eq!(with(&all, None), some("/t/hub/checkpoints", "/k/models"));
        assert_eq!(with(&[], None), [None, None]);
    }

    #[test]
    fn only_files_that_exist_and_only_of_the_network() {
        let folder = tempfile::tempdir().unwrap();
        let (torch, keras) = (folder.path().join("torch"), folder.path().join("keras"));
        std::fs::create_dir_all(torch.join("vgg19-d01eb7cb.pth")).unwrap(); // a folder is not a weight file
        std::fs::create_dir_all(&keras).unwrap();
        let files = [
            torch.join("vgg19-dcbb9e9d.pth"),
            keras.join("vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"),
            torch.join("vgg16-397923af.pth"),
            torch.join("vgg19_bn-c79401a0.pth"),
        ];
        for file in &files {
            std::fs::write(file, "").unwrap();
        }
        assert_eq!(present(Vgg::Vgg19, Some(&torch), Some(&keras)), files[..2]);
        assert_eq!(present(Vgg::Vgg16, Some(&torch), Some(&keras)), files[2..3]);
        assert_eq!(present(Vgg::Vgg19, None, Some(&keras)), files[1..2]);
        assert!(present(Vgg::Vgg16, None, None).is_empty());
    }
}
