//! The state document of `_dlt_pipeline_state`: reading, writing and hashing it as dlt does.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde_json::{Map, Value, json};
use sha3::{Digest, Sha3_256};

use super::sorted_json;

/// dlt's state engine that this version reads and writes; dlt refuses newer ones.
const ENGINE_VERSION: u64 = 4;

/// Keys that a state's hash leaves out.
const UNHASHED: [&str; 4] = ["_state_version", "_state_engine_version", "_version_hash", "_local"];

/// Why a stored state cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Neither JSON nor compressed JSON.
    #[error("the stored state of pipeline `{pipeline}` is not a state document")]
    Malformed {
        /// Name of the pipeline.
        pipeline: String,
    },
    /// Written by a dlt of another generation.
    #[error(
        "the stored state of pipeline `{pipeline}` has engine version {found}; this version reads {ENGINE_VERSION}"
    )]
    Engine {
        /// Name of the pipeline.
        pipeline: String,
        /// The engine version in the document.
        found: u64,
    },
}

/// What a pipeline remembers, in dlt's form. What this program adds lives below the resource under `forebay`,
/// which dlt carries along untouched.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineState(Map<String, Value>);

impl PipelineState {
    /// The state of a pipeline that never ran.
    pub fn new(pipeline: &str, source: &str, dataset: &str, destination_type: &str) -> Self {
        let document = json!({
            "_state_version": 0,
            "_state_engine_version": ENGINE_VERSION,
            "pipeline_name": pipeline,
            "default_schema_name": source,
            "dataset_name": dataset,
            "schema_names": [source],
            "destination_type": destination_type,
            "destination_name": null,
        });
        match document {
            Value::Object(fields) => Self(fields),
            _ => Self(Map::new()),
        }
    }

    /// Reads a stored document: base64 of zlib as dlt writes it, or plain JSON, which dlt also reads.
    ///
    /// # Errors
    /// It is neither, or of another engine version.
    pub fn decode(text: &str, pipeline: &str) -> Result<Self, StateError> {
        let malformed = || StateError::Malformed { pipeline: pipeline.to_owned() };
        let plain = if text.starts_with('{') {
            text.to_owned()
        } else {
            let compressed = STANDARD.decode(text.trim()).map_err(|_| malformed())?;
            let mut plain = String::new();
            ZlibDecoder::new(compressed.as_slice()).read_to_string(&mut plain).map_err(|_| malformed())?;
            plain
        };
        let document: Map<String, Value> = serde_json::from_str(&plain).map_err(|_| malformed())?;
        match document.get("_state_engine_version").and_then(Value::as_u64) {
            Some(ENGINE_VERSION) => Ok(Self(document)),
            found => Err(StateError::Engine { pipeline: pipeline.to_owned(), found: found.unwrap_or(0) }),
        }
    }

    /// The text for `_dlt_pipeline_state.state`.
    pub fn encode(&self) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        let plain = Value::Object(self.0.clone()).to_string();
        // Writing to a `Vec` cannot fail; should it ever, plain JSON is as good for dlt.
        match encoder.write_all(plain.as_bytes()).and_then(|()| encoder.finish()) {
            Ok(compressed) => STANDARD.encode(compressed),
            Err(_) => plain,
        }
    }

    /// dlt's hash of the content.
    pub fn content_hash(&self) -> String {
        let mut document = self.0.clone();
        for key in UNHASHED {
            document.shift_remove(key);
        }
        STANDARD.encode(Sha3_256::digest(sorted_json(&Value::Object(document))))
    }

    /// Takes a new version and hash if the content changed. Returns whether it did.
    pub fn bump(&mut self) -> bool {
        let hash = self.content_hash();
        if self.version_hash() == Some(hash.as_str()) {
            return false;
        }
        self.bump_always();
        true
    }

    /// Takes a new version whatever changed. A dlt with a working directory fetches a changed schema only along
    /// with a changed state, and compares versions first.
    pub fn bump_always(&mut self) {
        let hash = self.content_hash();
        self.0.insert("_state_version".to_owned(), json!(self.version() + 1));
        self.0.insert("_version_hash".to_owned(), json!(hash));
    }

    /// `_state_version`; 0 if never stored.
    pub fn version(&self) -> u64 {
        self.0.get("_state_version").and_then(Value::as_u64).unwrap_or(0)
    }

    /// `_state_engine_version`.
    pub fn engine_version(&self) -> u64 {
        ENGINE_VERSION
    }

    /// Hash at the last [`PipelineState::bump`].
    pub fn version_hash(&self) -> Option<&str> {
        self.0.get("_version_hash").and_then(Value::as_str)
    }

    /// State of one resource, if it has any.
    pub fn resource(&self, source: &str, resource: &str) -> Option<&Map<String, Value>> {
        self.0.get("sources")?.get(source)?.get("resources")?.get(resource)?.as_object()
    }

    /// Replaces the state of one resource.
    pub fn set_resource(&mut self, source: &str, resource: &str, state: Map<String, Value>) {
        let mut node = self.0.entry("sources").or_insert_with(|| json!({}));
        for key in [source, "resources"] {
            if !node.is_object() {
                *node = json!({});
            }
            node = &mut node[key];
        }
        if !node.is_object() {
            *node = json!({});
        }
        node[resource] = Value::Object(state);
    }

    /// Lists a source, so that dlt restores its schema.
    pub fn add_schema(&mut self, source: &str) {
        let names = self.0.entry("schema_names").or_insert_with(|| json!([]));
        if let Some(names) = names.as_array_mut()
            && !names.iter().any(|name| name == source)
        {
            names.push(json!(source));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> PipelineState {
        PipelineState::new("p", "src", "ds", "dlt.destinations.duckdb")
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let mut state = state();
        state.set_resource("src", "members", Map::from_iter([("x".to_owned(), json!("é"))]));
        assert!(state.bump());
        assert_eq!(PipelineState::decode(&state.encode(), "p").unwrap(), state);
        let plain = Value::Object(state.0.clone()).to_string();
        assert_eq!(PipelineState::decode(&plain, "p").unwrap(), state);
    }

    #[test]
    fn only_a_change_of_content_takes_a_new_version() {
        let mut state = state();
        assert!(state.bump());
        assert!(!state.bump());
        state.set_resource("src", "members", Map::from_iter([("x".to_owned(), json!(1))]));
        assert!(state.bump());
        assert_eq!(state.version(), 2);
        assert_eq!(state.resource("src", "members").unwrap()["x"], 1);
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "nonsense", "{", "{}", r#"{"_state_engine_version": 5}"#] {
            assert!(PipelineState::decode(text, "p").is_err(), "{text}");
        }
    }
}
