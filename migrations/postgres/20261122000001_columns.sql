-- Where in the rows of a resource each column comes from.
CREATE TABLE {dataset}."_forebay_columns" (
    table_name text NOT NULL,
    column_name text NOT NULL,
    source_path text NOT NULL,                   -- from the row of the resource: $.planConnections[*].planId
    load_id text NOT NULL,                       -- the first load with rows that had it, of those of forebay
    first_seen timestamp with time zone NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY -- order of writing; there are gaps
);
