//! The `Link` header (RFC 8288).

use reqwest::header::{HeaderMap, LINK};

/// The target of the first link of that relation, as it is written: in any of several headers, among several links in
/// one, and whatever the case of the relation. Links of another context (`anchor`) are not meant.
pub(super) fn link(headers: &HeaderMap, relation: &str) -> Option<String> {
    headers.get_all(LINK).iter().find_map(|value| {
        // A title may well be in Latin-1, which is no reason to lose the link.
        let text = String::from_utf8_lossy(value.as_bytes());
        let found = links(&text).into_iter().find(|link| link.has_relation(relation));
        found.map(|link| link.target.to_owned())
    })
}

struct Link<'a> {
    target: &'a str,
    /// Names and values, without quotes.
    params: Vec<(&'a str, String)>,
}

impl Link<'_> {
    /// Of several `rel` the first counts, and it may hold several relations.
    fn has_relation(&self, relation: &str) -> bool {
        let param = |name: &str| self.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        param("anchor").is_none()
            && param("rel").is_some_and(|(_, rel)| {
                rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(relation))
            })
    }
}

/// All links of one header. What is no link is left out, with all after it.
fn links(text: &str) -> Vec<Link<'_>> {
    let mut links = Vec::new();
    let mut rest = text;
    while let Some((target, after)) = target(rest) {
        let mut link = Link { target, params: Vec::new() };
        rest = after.trim_start();
        while let Some(after) = rest.strip_prefix(';') {
            let (name, value, after) = param(after.trim_start());
            if !name.is_empty() {
                link.params.push((name, value));
            }
            rest = after.trim_start();
        }
        links.push(link);
    }
    links
}

/// `<target>` and what follows it.
fn target(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(|char: char| char == ',' || char.is_ascii_whitespace());
    let (target, rest) = text.strip_prefix('<')?.split_once('>')?;
    Some((target.trim(), rest))
}

/// A name, its value, and what follows them.
fn param(text: &str) -> (&str, String, &str) {
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = (text[..end].trim(), &text[end..]);
    let Some(value) = rest.strip_prefix('=').map(str::trim_start) else { return (name, String::new(), rest) };
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find([';', ',']).unwrap_or(value.len());
        return (name, value[..end].trim().to_owned(), &value[end..]);
    };
    let mut unquoted = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (name, unquoted, &quoted[at + 1..]),
            '\\' => unquoted.extend(chars.next().map(|(_, escaped)| escaped)),
            char => unquoted.push(char),
        }
    }
    (name, unquoted, "")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(headers: &[&str], expected: Option<&str>) {
        let mut map = HeaderMap::new();
        for text in headers {
            map.append(LINK, text.parse().unwrap());
        }
        assert_eq!(link(&map, "next").as_deref(), expected, "{headers:?}");
    }

    #[test]
    fn a_title_in_any_encoding_costs_no_link() {
        let mut map = HeaderMap::new();
        let text = b"<a>; rel=prev; title=\"\xe9t\xe9\", </2>; rel=next";
        map.append(LINK, reqwest::header::HeaderValue::from_bytes(text).unwrap());
        assert_eq!(link(&map, "next").as_deref(), Some("/2"));
    }

    #[test]
    fn links_are_read_as_the_rfc_writes_them() {
        check(&[], None);
        check(&["<https://a.test/2>; rel=\"next\""], Some("https://a.test/2"));
        check(&["<https://a.test/2>;rel=next"], Some("https://a.test/2"));
        check(&["<a>; rel=\"prev\", <b>; rel=\"next\", <c>; rel=\"last\""], Some("b"));
        check(&["<a>; rel=\"prev\"", "<b>; rel=\"next\""], Some("b"));
        check(&["<a?x=1,2;y>; title=\"a, <b>; \\\"rel=next\\\"\"; REL = \"NEXT\""], Some("a?x=1,2;y"));
        check(&["<a>; rel=\"last next\" ; type=x"], Some("a"));
        check(&["<a>; rel=prev; rel=next, <b>; rel=nextish"], None);
        check(&["<a>; rel=next; anchor=\"#other\", , <b>;rel=next"], Some("b"));
        check(&["</x?page=2>; results=\"true\"; rel=\"next\"; cursor=\"0:100:0\""], Some("/x?page=2"));
        check(&["no link at all", "<unclosed; rel=next"], None);
    }
}
