//! The folder in which pictures and jobs outlive the server.
//!
//! ```text
//! token lock open.html  the secret part of the address; held by the server that uses the folder; leads to the address
//! pictures/ID.png       uploaded pictures, decoded once and written anew
//! jobs/ID/job.json      the Record
//!         original.png  the photograph at the result's size
//!         picture.png   the last picture, in 16 bits, without mask and kept colours
//!         mask.png      where to paint
//!         start-N.png checkpoint-N       of generation N
//!         snapshots/N.png N-mask.png
//! ```
//!
//! Every file appears complete or not at all. Names are made of [`Id`]s and numbers, never of what a request contains.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use style_transfer::pictures::{Format, Picture};
use style_transfer::{Checkpoint, Image};

use crate::error::{Error, Result};
use crate::id::Id;
use crate::record::{Record, Snapshot};

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The store, which one server uses at a time.
pub(crate) struct Store {
    folder: PathBuf,
    /// Unlocked when it is closed.
    _lock: File,
}

/// A file of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    Original,
    Picture,
    Mask,
    Start(u32),
    Checkpoint(u32),
    Snapshot(u32),
    SnapshotMask(u32),
}

impl Store {
    /// Opens the folder, and makes it if it is not there. One with other files in it is not touched.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let failed = || Error::store(format!("cannot use the folder {}", folder.display()));
        if !folder.join("token").exists() && has_others(folder) {
            return Err(Error::Conflict(format!(
                "the folder {} has files that are not a studio's; choose another one with --dir",
                folder.display()
            )));
        }
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(failed())?;
        }
        for folder in [folder, &folder.join("pictures"), &folder.join("jobs")] {
            private_folder(folder).map_err(failed())?;
        }
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"));
        let lock = lock.map_err(failed())?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Conflict(format!(
                "another studio uses the folder {}; end it, or choose another folder with --dir",
                folder.display()
            ))),
            Err(TryLockError::Error(e)) => Err(failed()(e)),
        }
    }

    /// The secret of the address, the same after a restart, so that an open page finds the server again.
    pub(crate) fn token(&self) -> Result<Id> {
        let path = self.folder.join("token");
        if let Some(token) = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()) {
            return Ok(token);
        }
        let token = Id::random()?;
        write(&path, token.to_string().as_bytes()).map_err(Error::store("cannot keep the address"))?;
        Ok(token)
    }

    /// Writes a page that leads to the address, for its owner only: a browser that is started with it does not show the secret
    /// to other users of the machine, as one that is started with the address does.
    pub(crate) fn put_door(&self, address: &str) -> Result<PathBuf> {
        let path = self.folder.join("open.html");
        let page =
            format!("<!doctype html><meta http-equiv=\"refresh\" content=\"0; url={address}\"><title>Studio</title>\n");
        write(&path, page.as_bytes()).map_err(Error::store("cannot keep the address"))?;
        Ok(path)
    }

    fn picture_path(&self, id: Id) -> PathBuf {
        self.folder.join("pictures").join(format!("{id}.png"))
    }

    fn job_folder(&self, id: Id) -> PathBuf {
        self.folder.join("jobs").join(id.to_string())
    }

    fn path(&self, id: Id, of: Of) -> PathBuf {
        let name = match of {
            Of::Original => "original.png".into(),
            Of::Picture => "picture.png".into(),
            Of::Mask => "mask.png".into(),
            Of::Start(n) => format!("start-{n}.png"),
            Of::Checkpoint(n) => format!("checkpoint-{n}"),
            Of::Snapshot(n) => format!("snapshots/{n}.png"),
            Of::SnapshotMask(n) => format!("snapshots/{n}-mask.png"),
        };
        self.job_folder(id).join(name)
    }

    /// Keeps an uploaded picture.
    pub(crate) fn keep_picture(&self, bytes: &[u8]) -> Result<Id> {
        let id = Id::of(bytes);
        if self.has_picture(id) {
            return Ok(id);
        }
        write(&self.picture_path(id), bytes).map_err(Error::store("cannot keep the picture"))?;
        Ok(id)
    }

    pub(crate) fn has_picture(&self, id: Id) -> bool {
        self.picture_path(id).is_file()
    }

    /// How many pictures are kept.
    pub(crate) fn pictures(&self) -> usize {
        fs::read_dir(self.folder.join("pictures")).map_or(0, Iterator::count)
    }

    /// An uploaded picture.
    pub(crate) fn picture(&self, id: Id) -> Result<Picture> {
        let bytes = read(&self.picture_path(id), "picture")?;
        Ok(Picture::from_bytes(&bytes)?)
    }

    /// Deletes an uploaded picture. One that cannot be deleted does no harm.
    pub(crate) fn remove_picture(&self, id: Id) {
        let _ = fs::remove_file(self.picture_path(id));
    }

    /// Deletes what a killed server was writing.
    pub(crate) fn sweep(&self) {
        sweep(&self.folder);
        sweep(&self.folder.join("pictures"));
        for entry in fs::read_dir(self.folder.join("jobs")).into_iter().flatten().flatten() {
            sweep(&entry.path());
            sweep(&entry.path().join("snapshots"));
        }
    }

    /// Deletes the pictures of more than a day ago that no job needs. A page may have chosen later ones.
    pub(crate) fn tidy(&self, needed: impl Fn(Id) -> bool) {
        let is_old = |entry: &fs::DirEntry| {
            let age = entry.metadata().and_then(|of| of.modified()).ok().and_then(|at| at.elapsed().ok());
            age.is_some_and(|age| age > A_DAY)
        };
        for entry in fs::read_dir(self.folder.join("pictures")).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".png")).and_then(|name| name.parse().ok());
            if id.is_some_and(|id| !needed(id)) && is_old(&entry) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// All jobs, in the order in which they were made, and whether there are others whose record cannot be used: they are left
    /// where they are.
    pub(crate) fn jobs(&self) -> Result<(Vec<Record>, bool)> {
        let entries = fs::read_dir(self.folder.join("jobs")).map_err(Error::store("cannot read the jobs"))?;
        let record = |entry: fs::DirEntry| {
            let id: Id = entry.file_name().to_str()?.parse().ok()?;
            let record: Record = serde_json::from_slice(&fs::read(entry.path().join("job.json")).ok()?).ok()?;
            (record.id == id && record.is_sound()).then_some(record)
        };
        let (mut jobs, mut others) = (vec![], false);
        for entry in entries.flatten() {
            match record(entry) {
                Some(record) => jobs.push(record),
                None => others = true,
            }
        }
        jobs.sort_by_key(|job| job.number);
        Ok((jobs, others))
    }

    /// Keeps the record of a job.
    pub(crate) fn save(&self, record: &Record) -> Result<()> {
        let failed = || Error::store("cannot keep the job");
        let folder = self.job_folder(record.id);
        for folder in [&folder, &folder.join("snapshots")] {
            private_folder(folder).map_err(failed())?;
        }
        let bytes = serde_json::to_vec(record).map_err(|e| failed()(e.into()))?;
        write(&self.job_folder(record.id).join("job.json"), &bytes).map_err(failed())
    }

    /// Deletes a job with all its files.
    pub(crate) fn delete(&self, id: Id) -> Result<()> {
        match fs::remove_dir_all(self.job_folder(id)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::store("cannot delete the job")(e)),
            _ => Ok(()),
        }
    }

    /// Writes an image as a file of a job, in 16 bits.
    pub(crate) fn put(&self, id: Id, of: Of, picture: &Picture) -> Result<()> {
        let format =
            if matches!(of, Of::Mask | Of::SnapshotMask(_) | Of::Original) { Format::Png } else { Format::Png16 };
        self.put_bytes(id, of, &picture.encode(format)?)
    }

    fn put_bytes(&self, id: Id, of: Of, bytes: &[u8]) -> Result<()> {
        write(&self.path(id, of), bytes).map_err(Error::store("cannot keep a picture of the job"))
    }

    /// Reads a picture of a job; `None` without one.
    pub(crate) fn get(&self, id: Id, of: Of) -> Result<Option<Picture>> {
        match self.bytes(id, of)? {
            Some(bytes) => Ok(Some(Picture::from_bytes(&bytes)?)),
            None => Ok(None),
        }
    }

    /// The bytes of a file of a job; `None` without one.
    pub(crate) fn bytes(&self, id: Id, of: Of) -> Result<Option<Vec<u8>>> {
        match fs::read(self.path(id, of)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::store("cannot read a picture of the job")(e)),
        }
    }

    /// Copies a file of a job over another, or deletes that one if the first is not there.
    pub(crate) fn copy(&self, id: Id, from: Of, to: Of) -> Result<()> {
        match self.bytes(id, from)? {
            Some(bytes) => self.put_bytes(id, to, &bytes),
            None => {
                self.remove(id, to);
                Ok(())
            }
        }
    }

    /// Deletes a file of a job. One that cannot be deleted does no harm.
    pub(crate) fn remove(&self, id: Id, of: Of) {
        let _ = fs::remove_file(self.path(id, of));
    }

    /// Deletes a snapshot.
    pub(crate) fn remove_snapshot(&self, id: Id, snapshot: &Snapshot) {
        self.remove(id, Of::Snapshot(snapshot.number));
        self.remove(id, Of::SnapshotMask(snapshot.number));
    }

    /// Writes the checkpoint of a generation.
    pub(crate) fn put_checkpoint(&self, id: Id, generation: u32, checkpoint: &Checkpoint) -> Result<()> {
        let bytes = checkpoint.to_bytes()?;
        write(&self.path(id, Of::Checkpoint(generation)), &bytes).map_err(Error::store("cannot keep the progress"))
    }

    /// The checkpoint of a generation; `None` without a sound one, and the job begins this generation again.
    pub(crate) fn checkpoint(&self, id: Id, generation: u32) -> Option<Checkpoint> {
        let bytes = self.bytes(id, Of::Checkpoint(generation)).ok()??;
        Checkpoint::from_bytes(&bytes).ok()
    }

    /// The image of a generation's checkpoint.
    pub(crate) fn checkpoint_image(&self, id: Id, generation: u32) -> Option<Image> {
        self.checkpoint(id, generation)?.image().ok()
    }
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::Missing(what),
        _ => Error::store(format!("cannot read the {what}"))(e),
    })
}

/// Makes a folder that others cannot look into, unless it is there.
fn private_folder(folder: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Whether a folder has something that no studio makes.
fn has_others(folder: &Path) -> bool {
    let own = |name: &str| ["lock", "token", "open.html", "pictures", "jobs"].contains(&name) || name.starts_with(NEW);
    let is_other = |entry: fs::DirEntry| !entry.file_name().to_str().is_some_and(own);
    fs::read_dir(folder).into_iter().flatten().flatten().any(is_other)
}

/// The beginning of the names of files that are being written.
const NEW: &str = ".new-";

/// Deletes files that were never finished.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(NEW) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a temporary file beside the file, and renames it. Only its owner may read it. The error does not name the file.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = tempfile::Builder::new().prefix(NEW).tempfile_in(folder).and_then(|mut file| {
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)
    });
    written.map(drop).map_err(|e| io::Error::from(e.kind()))
}
