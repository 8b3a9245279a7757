//! Where the demonstration runs: a broker of its own or a real one, an application name nobody uses, a folder of its own.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::config::{Config, ConfigError};
use crate::runtime::topic_specs;
use crate::transport::Transport;
use crate::transport::kafka::Embedded;

/// The configuration the demonstration runs with unless told otherwise.
pub const CONFIG: &str = include_str!("../../examples/flights.toml");
/// How many names are tried on a broker that has seen demonstrations before.
const NAMES: u32 = 1_000;

/// A configuration as text, with what the demonstration changes in it.
#[derive(Clone, Debug)]
pub struct Setting {
    table: toml::Table,
}

impl Setting {
    /// Takes the text of a configuration.
    ///
    /// # Errors
    /// Text that is no valid configuration.
    pub fn new(text: &str) -> std::result::Result<Setting, ConfigError> {
        Config::parse(text)?;
        // What has been read as a configuration is TOML.
        Ok(Setting { table: text.parse().unwrap_or_default() })
    }

    /// Sets a key of a section.
    fn set(&mut self, section: &str, key: &str, value: impl Into<toml::Value>) {
        let entry = self.table.entry(section).or_insert_with(|| toml::Table::new().into());
        if let Some(table) = entry.as_table_mut() {
            table.insert(key.to_owned(), value.into());
        }
    }

    fn named(&mut self, app: &str, store: &std::path::Path) -> Result<Config> {
        self.table.insert("app".to_owned(), app.into());
        self.set("store", "path", store.to_string_lossy().into_owned());
        self.set("http", "listen", "");
        Ok(Config::parse(&self.table.to_string())?)
    }

    /// Writes the configuration that is run with beside the artifacts: other commands can then work on its topics.
    fn save(&mut self, config: &Config, folder: &Folder) -> Result<()> {
        let brokers: Vec<toml::Value> = config.kafka.brokers.iter().map(|broker| broker.as_str().into()).collect();
        self.set("kafka", "brokers", brokers);
        let path = folder.config();
        let text = self.table.to_string();
        std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
    }

    fn app(&self) -> &str {
        self.table.get("app").and_then(toml::Value::as_str).unwrap_or("demo")
    }
}

/// A cluster with empty topics, ready for the roles.
pub struct Stage {
    /// The configuration to run with.
    pub config: Arc<Config>,
    /// The cluster.
    pub transport: Arc<dyn Transport>,
    /// Where it is reached.
    pub brokers: String,
    /// Whether it is a broker of our own, which ends with the process.
    pub embedded: bool,
    /// Where artifacts are kept.
    pub folder: Folder,
}

impl Stage {
    /// Starts a broker in this process and creates the topics.
    ///
    /// # Errors
    /// A broker or folder that cannot be made.
    pub fn embedded(mut setting: Setting, keep: bool) -> Result<Stage> {
        let folder = Folder::create(keep)?;
        let app = setting.app().to_owned();
        let config = setting.named(&app, &folder.path)?;
        let broker = Embedded::start(config.score.workers.max(1))?;
        let brokers = broker.brokers().to_owned();
        broker.create(&topic_specs(&config))?;
        Ok(Stage { config: Arc::new(config), transport: Arc::new(broker), brokers, embedded: true, folder })
    }

    /// Uses a cluster that is there, under the first name of the form `<app>-<number>` that has no topics yet; `connect`
    /// makes a client for a configuration.
    ///
    /// # Errors
    /// A cluster that does not answer or does not let topics be made.
    pub fn on(
        mut setting: Setting,
        keep: bool,
        connect: impl Fn(&mut Config) -> Result<Arc<dyn Transport>>,
    ) -> Result<Stage> {
        let folder = Folder::create(keep)?;
        let base = setting.app().to_owned();
        for number in 1..=NAMES {
            let mut config = setting.named(&format!("{base}-{number}"), &folder.path)?;
            let transport = connect(&mut config)?;
            if used(&config, &*transport)? {
                continue;
            }
            transport.create(&topic_specs(&config)).context("creating the topics")?;
            let brokers = config.kafka.bootstrap();
            setting.save(&config, &folder)?;
            return Ok(Stage { config: Arc::new(config), transport, brokers, embedded: false, folder });
        }
        bail!("`{base}-1` to `{base}-{NAMES}` all have topics on this cluster; delete some of them");
    }
}

fn used(config: &Config, transport: &dyn Transport) -> Result<bool> {
    for topic in config.topics.named() {
        if transport.bounds(topic.name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A folder for artifacts; removed at the end unless it is to be kept.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    keep: bool,
}

impl Folder {
    /// Where the configuration of a run on a cluster that stays is kept.
    pub fn config(&self) -> PathBuf {
        self.path.join("driftless.toml")
    }

    fn create(keep: bool) -> Result<Folder> {
        let base = std::env::temp_dir();
        for number in 0..NAMES {
            let path = base.join(format!("driftless-demo-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Folder { path, keep }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot make `{}`", path.display())),
            }
        }
        bail!("`{}` is full of folders of earlier demonstrations; delete driftless-demo-*", base.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // What is left behind in the folder for temporary files is the system's to clear.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::memory::Memory;

    #[test]
    fn a_cluster_that_has_seen_demonstrations_gets_another_name() {
        let cluster = Arc::new(Memory::new());
        let stage = || {
            let cluster: Arc<dyn Transport> = cluster.clone();
            Stage::on(Setting::new(CONFIG).unwrap(), false, |_| Ok(cluster.clone())).unwrap()
        };
        let (first, second) = (stage(), stage());
        assert_eq!((first.config.app.as_str(), second.config.app.as_str()), ("flights-1", "flights-2"));
        assert_eq!(second.config.topics.models, "flights-2.models");
        assert_eq!(second.config.http.listen, None);
        assert_eq!(Config::load(&first.folder.config()).unwrap().digest(), first.config.digest());
        let path = first.folder.path.clone();
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn a_name_changes_no_result() {
        let mut setting = Setting::new(CONFIG).unwrap();
        let renamed = setting.named("other", std::path::Path::new("/nowhere")).unwrap();
        let mut original = Config::parse(CONFIG).unwrap();
        original.events.topic = "other.events".to_owned();
        if let Some(labels) = &mut original.labels {
            labels.topic = "other.labels".to_owned();
        }
        assert_eq!(renamed.digest(), original.digest());
    }
}
