//! The object store behind a blocking face.
//!
//! Callers are plain threads; the store brings the small runtime that the asynchronous crate needs. It must not be called
//! from inside another tokio runtime. Every object is written whole or not at all. Names are made here from checked
//! parts, never taken from a record as they are.

use std::path::Path as FilePath;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};

use crate::data::ArtifactRef;
use crate::model::{MAX_ARTIFACT_BYTES, Model, ModelError};

/// Artifacts and logs by name.
#[derive(Debug)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    runtime: Runtime,
}

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be opened.
    #[error("the object store at `{place}` cannot be opened: {why}")]
    Open {
        /// Where.
        place: String,
        /// Why.
        why: String,
    },
    /// No such object.
    #[error("`{name}` is not in the object store")]
    NotFound {
        /// Its name.
        name: String,
    },
    /// The store refused or cannot be reached; worth another try.
    #[error("object store: {0}")]
    Unavailable(#[source] object_store::Error),
    /// A hash that is not 64 lower-case hexadecimal digits.
    #[error("`{0}` is no SHA-256 in lower-case hexadecimal")]
    NoHash(String),
    /// An object of another size than was said, or larger than is read.
    #[error("`{name}` has {found} bytes, {expected} are expected")]
    Size {
        /// Its name.
        name: String,
        /// Bytes found.
        found: u64,
        /// Bytes expected, or the most that are read.
        expected: u64,
    },
    /// An object whose bytes do not have the hash it is named by.
    #[error("`{name}` does not have the hash it is named by; it was changed or damaged")]
    Hash {
        /// Its name.
        name: String,
    },
    /// An artifact that is no valid model.
    #[error("artifact `{sha256}`: {error}")]
    Model {
        /// Its hash.
        sha256: String,
        /// What is wrong with it.
        error: ModelError,
    },
}

impl StoreError {
    /// Whether another try, in this store or another one, has to end the same way: what is there has the hash it is named
    /// by and is no model, or the name is none. Whatever else is wrong may be so in one place and at one time only.
    pub fn is_final(&self) -> bool {
        matches!(self, StoreError::NoHash(_) | StoreError::Model { .. })
    }
}

impl Store {
    /// A store in a local directory, which is made if need be. It only serves roles that share the directory.
    ///
    /// # Errors
    /// A directory that cannot be made or read.
    pub fn local(directory: &FilePath) -> Result<Store, StoreError> {
        let open = |why: String| StoreError::Open { place: directory.display().to_string(), why };
        std::fs::create_dir_all(directory).map_err(|error| open(error.to_string()))?;
        let objects = LocalFileSystem::new_with_prefix(directory).map_err(|error| open(error.to_string()))?;
        Store::over(Arc::new(objects), &directory.display().to_string())
    }

    /// A store that lives as long as the process.
    ///
    /// # Errors
    /// A system without resources for another runtime.
    pub fn in_memory() -> Result<Store, StoreError> {
        Store::over(Arc::new(InMemory::new()), "memory")
    }

    fn over(objects: Arc<dyn ObjectStore>, place: &str) -> Result<Store, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Open { place: place.to_owned(), why: error.to_string() })?;
        Ok(Store { objects, runtime })
    }

    /// Keeps an artifact under its hash; keeping the same bytes again changes nothing.
    ///
    /// # Errors
    /// Too many bytes, or a store that does not take them.
    pub fn put_artifact(&self, bytes: Vec<u8>) -> Result<ArtifactRef, StoreError> {
        let sha256 = hex(&Sha256::digest(&bytes));
        let reference = ArtifactRef { bytes: bytes.len() as u64, sha256 };
        if bytes.len() > MAX_ARTIFACT_BYTES {
            let expected = MAX_ARTIFACT_BYTES as u64;
            return Err(StoreError::Size { name: reference.sha256, found: reference.bytes, expected });
        }
        self.put(&artifact_path(&reference.sha256)?, bytes)?;
        Ok(reference)
    }

    /// Keeps a model.
    ///
    /// # Errors
    /// A model too large to write, or a store that does not take it.
    pub fn put_model(&self, model: &Model) -> Result<ArtifactRef, StoreError> {
        let bytes = model.to_bytes().map_err(|error| StoreError::Model { sha256: String::new(), error })?;
        self.put_artifact(bytes)
    }

    /// The bytes of an artifact, proven by size and hash.
    ///
    /// # Errors
    /// An artifact that is not there, too large, or not what the reference says.
    pub fn artifact(&self, reference: &ArtifactRef) -> Result<Vec<u8>, StoreError> {
        let path = artifact_path(&reference.sha256)?;
        let limit = reference.bytes.min(MAX_ARTIFACT_BYTES as u64);
        let bytes = self.get(&path, limit)?;
        if bytes.len() as u64 != reference.bytes {
            let (found, expected) = (bytes.len() as u64, reference.bytes);
            return Err(StoreError::Size { name: path.to_string(), found, expected });
        }
        if hex(&Sha256::digest(&bytes)) != reference.sha256 {
            return Err(StoreError::Hash { name: path.to_string() });
        }
        Ok(bytes)
    }

    /// The model of an artifact, checked through.
    ///
    /// # Errors
    /// As [`Store::artifact`], and bytes that are no valid model.
    pub fn model(&self, reference: &ArtifactRef) -> Result<Model, StoreError> {
        let bytes = self.artifact(reference)?;
        Model::from_bytes(&bytes).map_err(|error| StoreError::Model { sha256: reference.sha256.clone(), error })
    }

    pub(super) fn put(&self, path: &Path, bytes: Vec<u8>) -> Result<(), StoreError> {
        let done = self.runtime.block_on(self.objects.put(path, bytes.into()));
        done.map(|_| ()).map_err(StoreError::Unavailable)
    }

    /// The bytes of an object of at most `limit` bytes; a larger one is not fetched.
    pub(super) fn get(&self, path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
        let fetch = async {
            let found = self.objects.get(path).await?;
            let size = found.meta.size;
            let bytes = if size > limit { None } else { Some(found.bytes().await?) };
            Ok((size, bytes))
        };
        match self.runtime.block_on(fetch) {
            Ok((_, Some(bytes))) => Ok(bytes.into()),
            Ok((found, None)) => Err(StoreError::Size { name: path.to_string(), found, expected: limit }),
            Err(object_store::Error::NotFound { .. }) => Err(StoreError::NotFound { name: path.to_string() }),
            Err(error) => Err(StoreError::Unavailable(error)),
        }
    }

    /// Names of the folders and objects right below a folder, in order; nothing for a folder that is not there.
    pub(super) fn list(&self, folder: &Path) -> Result<Vec<String>, StoreError> {
        let found = self.runtime.block_on(self.objects.list_with_delimiter(Some(folder)));
        let found = match found {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::Unavailable(error)),
        };
        let folders = found.common_prefixes.iter().filter_map(Path::filename);
        let objects = found.objects.iter().filter_map(|object| object.location.filename());
        let mut names: Vec<String> = folders.chain(objects).map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn artifact_path(sha256: &str) -> Result<Path, StoreError> {
    let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hash {
        return Err(StoreError::NoHash(sha256.to_owned()));
    }
    Ok(Path::from_iter(["models", sha256]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(sha256: &str) -> ArtifactRef {
        ArtifactRef { sha256: sha256.to_owned(), bytes: 3 }
    }

    #[test]
    fn an_artifact_comes_back_in_another_process() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("made/here");
        let kept = Store::local(&place).unwrap().put_artifact(b"abc".to_vec()).unwrap();
        assert_eq!(kept.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let again = Store::local(&place).unwrap();
        assert_eq!(again.artifact(&kept).unwrap(), b"abc");
        assert_eq!(again.put_artifact(b"abc".to_vec()).unwrap(), kept);
        assert!(matches!(again.model(&kept), Err(StoreError::Model { .. })));
    }

    #[test]
    fn changed_bytes_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::local(directory.path()).unwrap();
        let kept = store.put_artifact(b"abc".to_vec()).unwrap();
        let file = directory.path().join("models").join(&kept.sha256);
        std::fs::write(&file, b"abd").unwrap();
        assert!(matches!(store.artifact(&kept), Err(StoreError::Hash { .. })));
        std::fs::write(&file, b"ab").unwrap();
        assert!(matches!(store.artifact(&kept), Err(StoreError::Size { found: 2, .. })));
        std::fs::write(&file, b"abcd").unwrap();
        assert!(matches!(store.artifact(&kept), Err(StoreError::Size { found: 4, .. })));
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(store.artifact(&kept), Err(StoreError::NotFound { .. })));
    }

    #[test]
    fn a_name_that_is_no_hash_is_not_looked_for() {
        let store = Store::in_memory().unwrap();
        for name in ["", "..", "../../etc/passwd", &"A".repeat(64), &"a".repeat(63), &"/".repeat(64)] {
            assert!(matches!(store.artifact(&reference(name)), Err(StoreError::NoHash(_))), "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        for store in [Store::local(directory.path()).unwrap(), Store::in_memory().unwrap()] {
            assert_eq!(store.list(&Path::from("examples")).unwrap(), Vec::<String>::new());
        }
    }
}
