//! SQL from outside the code under test.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row, ValueRef};

/// Runs SQL as `psql -XAtq -v ON_ERROR_STOP=1` does: a line per row, `|` between values, nothing for NULL. Several
/// statements are one transaction.
///
/// # Errors
/// The server's words.
pub(crate) fn sql(url: &str, text: &str) -> Result<String, String> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(fetch(url, text)).map_err(|error| error.to_string())
    };
    // A thread of its own: the caller may be on a runtime, which must not block.
    let rows = std::thread::scope(|scope| scope.spawn(run).join().unwrap())?;
    Ok(rows.iter().map(line).collect::<Vec<_>>().join("\n"))
}

async fn fetch(url: &str, text: &str) -> sqlx::Result<Vec<PgRow>> {
    let mut connection = PgConnection::connect(url).await?;
    let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(rows)
}

fn line(row: &PgRow) -> String {
    let texts = (0..row.len()).map(|column| {
        let value = row.try_get_raw(column).unwrap();
        // All values of such a query come as text.
        if value.is_null() { String::new() } else { value.as_str().unwrap().to_owned() }
    });
    texts.collect::<Vec<_>>().join("|")
}
