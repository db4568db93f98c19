//! Contracts: what rows may change of the schema, and what becomes of rows that would change more.

use super::error::{Discarded, Example, NormalizeError, WarningKind};
use super::roots::hints_of;
use super::store::Store;
use super::table::TableBuilder;
use crate::schema::{Contract, ContractEntity, ContractMode, Table, TableHints, Value};

/// Longest value that an example shows, in characters: enough to know it again, too little to leak a record.
const SHOWN: usize = 20;

/// dlt's own tables and columns, which no contract concerns, begin with this.
const DLT_PREFIX: &str = "_dlt";

/// What the contract of a listed table says, as far as it does not let everything evolve.
#[derive(Debug)]
pub(super) struct Guard {
    columns: ContractMode,
    data_type: ContractMode,
    /// Whether columns may be added for now: the table is new.
    grows: Grows,
    /// Fields whose columns were refused in an earlier row.
    refused: Vec<usize>,
}

/// How long a new table gains columns whatever its contract says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grows {
    /// It is not new.
    No,
    /// While its first row is taken in: dlt's rule for child tables.
    FirstRow,
    /// In the package that brings it: dlt's rule for tables that have hints. Where dlt would fail, that is
    /// with frozen columns, others have it better, too.
    Package,
}

/// What becomes of one value.
enum Verdict {
    Keep,
    Drop(ContractEntity, ContractMode),
}

impl Verdict {
    fn of(entity: ContractEntity, mode: ContractMode) -> Self {
        if mode == ContractMode::Evolve { Self::Keep } else { Self::Drop(entity, mode) }
    }
}

impl Guard {
    /// What becomes of a new column now.
    fn columns_mode(&self) -> ContractMode {
        if self.grows == Grows::No { self.columns } else { ContractMode::Evolve }
    }
}

impl Store {
    /// Asks the contract whether the table may be there. `false`: its rows are dropped.
    ///
    /// # Errors
    /// New tables are frozen.
    pub(super) fn admit_table(&mut self, table: usize) -> Result<bool, NormalizeError> {
        if self.tables[table].is_refused {
            self.refuse_table(table, ContractMode::DiscardRow)?;
            return Ok(false);
        }
        let contract = self.contract_of(table).filter(|_| !self.tables[table].name.starts_with(DLT_PREFIX));
        let Some(contract) = contract else { return Ok(true) };
        let is_new = self.is_new(&self.tables[table].name);
        let mode = contract.tables();
        if is_new && mode != ContractMode::Evolve {
            self.tables[table].is_refused = true;
            self.refuse_table(table, mode)?;
            return Ok(false);
        }
        let columns = contract.columns();
        let evolves_once = self.schema.tables.get(&self.tables[table].name).is_some_and(Table::evolves_once);
        let grows = match (is_new, columns) {
            (false, _) if evolves_once => Grows::Package,
            (false, _) => Grows::No,
            (true, ContractMode::Freeze) => Grows::Package,
            (true, _) if !self.hints_of(table).is_empty() => Grows::Package,
            (true, _) => Grows::FirstRow,
        };
        let data_type = contract.data_type();
        if (columns, data_type) != (ContractMode::Evolve, ContractMode::Evolve) {
            let guard = Guard { columns, data_type, grows, refused: Vec::new() };
            self.tables[table].guard = Some(Box::new(guard));
        }
        Ok(true)
    }

    fn refuse_table(&mut self, table: usize, mode: ContractMode) -> Result<(), NormalizeError> {
        let builder = &self.tables[table];
        let entity = ContractEntity::Tables;
        let example = |builder: &TableBuilder| Example {
            row: builder.row_number(),
            path: builder.source.clone(),
            value: String::new(),
        };
        if mode == ContractMode::Freeze {
            let (table, example) = (builder.name.clone(), example(builder));
            return Err(NormalizeError::Frozen { table, column: None, entity, example });
        }
        self.warn_of(WarningKind::Discarded(entity, Discarded::Rows), table, "", |it| Some(example(it)));
        Ok(())
    }

    /// Holds a row to the contract of its table; values that it lets go are taken out. `false`: the row goes, with
    /// all below it.
    ///
    /// # Errors
    /// The row would change what is frozen.
    pub(super) fn admit(
        &mut self,
        table: usize,
        values: &mut Vec<(usize, Value<'_>)>,
    ) -> Result<bool, NormalizeError> {
        // Nearly always there is nothing to hold it to.
        let Some(mut guard) = self.tables[table].guard.take() else { return Ok(true) };
        let admitted = self.hold_to(&mut guard, table, values);
        if guard.grows == Grows::FirstRow {
            guard.grows = Grows::No;
        }
        self.tables[table].guard = Some(guard);
        admitted
    }

    fn hold_to(
        &mut self,
        guard: &mut Guard,
        table: usize,
        values: &mut Vec<(usize, Value<'_>)>,
    ) -> Result<bool, NormalizeError> {
        if guard.columns_mode() == ContractMode::DiscardRow
            && let Some((field, value)) = values.iter().find(|(field, _)| guard.refused.contains(field))
        {
            // dlt looks no further at a row with a field that another one was dropped for, whatever is in it.
            self.report(ContractEntity::Columns, ContractMode::DiscardRow, table, *field, value);
            return Ok(false);
        }
        let mut is_admitted = true;
        let mut failure = None;
        values.retain(|(field, value)| {
            if failure.is_some() {
                return true;
            }
            let Verdict::Drop(entity, mode) = self.judge(guard, table, *field, value) else { return true };
            if mode == ContractMode::Freeze {
                failure = Some(self.frozen(entity, table, *field, value));
                return true;
            }
            if entity == ContractEntity::Columns && !guard.refused.contains(field) {
                guard.refused.push(*field);
            }
            is_admitted &= mode != ContractMode::DiscardRow;
            self.report(entity, mode, table, *field, value);
            false
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        if !is_admitted {
            // dlt adds the columns that the contract allows before it drops the row.
            for (field, value) in values.iter() {
                self.prepare(table, *field, value);
            }
            self.add_system_columns(table);
        }
        Ok(is_admitted)
    }

    /// What the contract says of one value.
    fn judge(&mut self, guard: &Guard, table: usize, field: usize, value: &Value<'_>) -> Verdict {
        let name = &self.tables[table].fields[field].name;
        if *value == Value::Null || name.starts_with(DLT_PREFIX) {
            return Verdict::Keep;
        }
        let Some(column) = self.column_of(table, field) else {
            return Verdict::of(ContractEntity::Columns, guard.columns_mode());
        };
        if guard.data_type == ContractMode::Evolve || self.tables[table].columns[column].takes(value) {
            return Verdict::Keep;
        }
        // A variant column that is there may be used.
        let variant = self.variant_name(table, field, value);
        match self.known_column(table, &variant) {
            Some(variant) if self.tables[table].columns[variant].takes(value) => Verdict::Keep,
            _ => Verdict::of(ContractEntity::DataType, guard.data_type),
        }
    }

    fn frozen(
        &self,
        entity: ContractEntity,
        table: usize,
        field: usize,
        value: &Value<'_>,
    ) -> NormalizeError {
        let builder = &self.tables[table];
        NormalizeError::Frozen {
            table: builder.name.clone(),
            column: Some(builder.fields[field].name.clone()),
            entity,
            example: example(builder, field, value),
        }
    }

    fn report(
        &mut self,
        entity: ContractEntity,
        mode: ContractMode,
        table: usize,
        field: usize,
        value: &Value<'_>,
    ) {
        let discarded = if mode == ContractMode::DiscardRow { Discarded::Rows } else { Discarded::Values };
        let name = self.tables[table].fields[field].name.clone();
        let kind = WarningKind::Discarded(entity, discarded);
        self.warn_of(kind, table, &name, |builder| Some(example(builder, field, value)));
    }

    /// Writes the contract that the config gives this very table into its document. dlt keeps one that the config
    /// has no more, and goes by it; here it ends with the line of the config.
    pub(super) fn list_contract(&mut self, table: usize) {
        let contract = self.own_contract(table).and_then(|contract| serde_json::to_value(contract).ok());
        let guard = self.tables[table].guard.as_ref();
        let evolves_once = guard
            .is_some_and(|guard| guard.grows == Grows::Package && guard.columns != ContractMode::Evolve)
            && !self.hints_of(table).is_empty();
        if let Some(listed) = self.schema.tables.get_mut(&self.tables[table].name) {
            if evolves_once {
                listed.evolve_once();
            }
            match contract {
                Some(contract) => listed.other.insert(Contract::KEY.to_owned(), contract),
                None => listed.other.shift_remove(Contract::KEY),
            };
        }
    }

    /// The contract that holds for a table: its own, else that of the nearest table above.
    fn contract_of(&self, table: usize) -> Option<Contract> {
        let mut above = std::iter::successors(Some(table), |table| self.above(*table));
        above.find_map(|table| self.own_contract(table))
    }

    /// The contract that the config gives this very table.
    fn own_contract(&self, table: usize) -> Option<Contract> {
        self.hints_of(table).iter().filter_map(|hints| hints.contract).next_back()
    }

    fn hints_of(&self, table: usize) -> Vec<&TableHints> {
        let hints = hints_of(&self.roots, &self.tables[table], self.max_length);
        hints.into_iter().map(|(_, hints)| hints).collect()
    }

    /// The table that contracts come from if this one has none of its own: that of the rows around its rows, unless
    /// it is a root table by its hints.
    fn above(&self, table: usize) -> Option<usize> {
        let is_root = match self.schema.tables.get(&self.tables[table].name) {
            Some(listed) => listed.parent.is_none(),
            None => self.hints_of(table).iter().any(|hints| hints.has_keys()),
        };
        self.tables[table].parent.filter(|_| !is_root)
    }

    /// Whether the schema has no column of the table yet, or not even the table.
    fn is_new(&self, table: &str) -> bool {
        let listed = self.schema.tables.get(table);
        !listed.is_some_and(|listed| listed.columns.values().any(|column| column.data_type.is_some()))
    }

    /// Whether a listed table may get columns that no row asks for.
    pub(super) fn may_add_columns(&self, table: usize) -> bool {
        let guard = self.tables[table].guard.as_ref();
        guard.is_none_or(|guard| guard.columns_mode() == ContractMode::Evolve)
    }

    /// Whether a table without rows may be listed.
    pub(super) fn may_be_listed(&self, table: usize) -> bool {
        let tables = self.contract_of(table).map_or(ContractMode::Evolve, Contract::tables);
        tables == ContractMode::Evolve || !self.is_new(&self.tables[table].name)
    }
}

fn example(builder: &TableBuilder, field: usize, value: &Value<'_>) -> Example {
    Example { row: builder.row_number(), path: builder.fields[field].source.clone(), value: shown(value) }
}

/// The beginning of a value.
fn shown(value: &Value<'_>) -> String {
    let cut = |text: &str| match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Wide(text) | Value::Json(text) => cut(text),
        Value::Text(text) => format!("{:?}", cut(text)),
    }
}
