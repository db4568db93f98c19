//! The JSON Schema of the file, for editors and for [`super::check`].

use serde_json::Value;

use super::raw::RawConfig;

/// The JSON Schema (draft 7, which TOML editors read) of a config file, made from the types it is read into.
pub fn json_schema() -> Value {
    let generator = schemars::generate::SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<RawConfig>().to_value();
    drop_null(&mut schema);
    schema
}

/// Optional keys are left out in TOML, which has no null: drops it from the schema.
fn drop_null(schema: &mut Value) {
    match schema {
        Value::Array(elements) => elements.iter_mut().for_each(drop_null),
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(forms)) = fields.get_mut("anyOf") {
                forms.retain(|form| form.get("type").is_none_or(|name| name != "null"));
                if forms.len() == 1 {
                    let forms = fields.shift_remove("anyOf");
                    // Draft 7 ignores what stands beside a `$ref`, so the description needs `allOf`.
                    fields.extend(forms.map(|forms| ("allOf".to_owned(), forms)));
                }
            }
            fields.values_mut().for_each(drop_null);
        }
        _ => {}
    }
}
