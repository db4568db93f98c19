//! Fields of a JSON object as raw slices, in document order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of one object: names decoded, values as they came. Repeated names are kept.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Value of the last field of that name: what Python, and so dlt, makes of a repeated one.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The values by name, the last of a repeated one: for many lookups in a large object.
    pub(super) fn index(&self) -> HashMap<&str, &'a RawValue> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value)).collect()
    }

    /// The values, one for each name: the last of a repeated one, in the place of the first.
    pub fn distinct(&self) -> Vec<&'a RawValue> {
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(self.0.len());
        let mut values: Vec<&RawValue> = Vec::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            let place = *places.entry(name).or_insert(values.len());
            if place == values.len() {
                values.push(value);
            } else {
                values[place] = value;
            }
        }
        values
    }

    /// All fields in document order.
    pub fn iter(&self) -> impl Iterator<Item = &(Cow<'a, str>, &'a RawValue)> {
        self.0.iter()
    }
}

/// Splits an object into its fields.
///
/// # Errors
/// The value is not an object.
pub fn fields(object: &RawValue) -> Result<Fields<'_>, serde_json::Error> {
    serde_json::from_str(object.get())
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(16);
        while let Some((key, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            fields.push((key.0, value));
        }
        Ok(Fields(fields))
    }
}

/// A field name, borrowed from the text unless it has escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}
