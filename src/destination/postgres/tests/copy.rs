//! COPY.

use super::*;

const COPY: &str = "COPY t FROM STDIN";

fn table() -> Option<(TestDatabase, Session)> {
    let database = TestDatabase::new()?;
    let session = database.session();
    run(&session, "CREATE TABLE t (a bigint PRIMARY KEY, b text)");
    Some((database, session))
}

fn count(session: &Session) -> i64 {
    rows(session, "SELECT count(*) FROM t", &[])[0].int(0).unwrap()
}

#[test]
fn rows_are_sent_in_pieces_however_they_are_fed() {
    let Some((_database, session)) = table() else { return };
    // Rows that are larger than a piece, smaller, and pieces without any.
    let texts = ["x".repeat(300_000), String::new(), "ä".repeat(1_000)];
    let mut next = 0;
    let copied = session.copy_in(&"copy", COPY, |buffer| {
        if next % 7 != 3 {
            buffer.extend_from_slice(format!("{next}\t{}\n", texts[next % 3]).as_bytes());
        }
        next += 1;
        Ok(next < 700)
    });
    assert_eq!(copied.unwrap(), 600);
    assert_eq!(count(&session), 600);
    let lengths = rows(&session, "SELECT sum(length(b)) FROM t", &[])[0].int(0).unwrap();
    let expected: usize = (0..700).filter(|row| row % 7 != 3).map(|row| texts[row % 3].chars().count()).sum();
    assert_eq!(usize::try_from(lengths).unwrap(), expected);
    assert_eq!(session.copy_in(&"copy", COPY, |_| Ok(false)).unwrap(), 0);
}

#[test]
fn nothing_is_copied_when_rows_cannot_be_made() {
    let Some((_database, session)) = table() else { return };
    let mut fed = 0;
    let error = session.copy_in(&"copy", COPY, |buffer| {
        fed += 1;
        if fed > 200_000 {
            return Err(DestinationError::Spill { file: "f".to_owned(), reason: "cut".to_owned() });
        }
        buffer.extend_from_slice(format!("{fed}\tx\n").as_bytes());
        Ok(true)
    });
    assert!(matches!(error, Err(DestinationError::Spill { .. })), "{error:?}");
    assert_eq!(count(&session), 0);
}

#[test]
fn nothing_is_copied_when_the_server_takes_no_row() {
    let Some((_database, session)) = table() else { return };
    for (sql, row, reason) in [
        (
            COPY,
            "1\tx\n",
            "could not copy: duplicate key value violates unique constraint \"t_pkey\"\nDETAIL: ",
        ),
        (COPY, "one\tx\n", "could not copy: invalid input syntax for type bigint: \"one\""),
        ("COPY nope FROM STDIN", "1\tx\n", "could not copy: relation \"nope\" does not exist"),
    ] {
        let mut left = 50_000;
        let error = session.copy_in(&"copy", sql, |buffer| {
            buffer.extend_from_slice(row.as_bytes());
            left -= 1;
            Ok(left > 0)
        });
        let error = error.unwrap_err();
        assert!(error.to_string().starts_with(reason) && !error.is_transient(), "{error}");
        assert_eq!(count(&session), 0);
    }
}
