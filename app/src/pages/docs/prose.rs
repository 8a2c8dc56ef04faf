//! Descriptions of the OpenAPI document, which use a little Markdown: code, strong words, paragraphs.

use askama::Template;
use askama::filters::HtmlSafe;

/// A description of one paragraph.
#[derive(Debug, Default, Template)]
#[template(
    source = "{% for part in parts %}{% match part %}{% when Part::Text(text) %}{{ text }}{% when Part::Code(text) %}<code>{{ text }}</code>{% when Part::Strong(text) %}<strong>{{ text }}</strong>{% endmatch %}{% endfor %}",
    ext = "html"
)]
pub struct Prose {
    parts: Vec<Part>,
}

impl HtmlSafe for Prose {}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Code(String),
    Strong(String),
}

impl Prose {
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        for (index, piece) in text.split('`').enumerate() {
            if index % 2 == 1 {
                parts.push(Part::Code(piece.to_owned()));
                continue;
            }
            for (index, piece) in piece.split("**").enumerate() {
                let part = if index % 2 == 1 { Part::Strong } else { Part::Text };
                parts.push(part(piece.to_owned()));
            }
        }
        parts.retain(|part| *part != Part::Text(String::new()));
        Self { parts }
    }

    pub fn paragraphs(text: &str) -> Vec<Self> {
        text.split("\n\n").map(Self::new).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_strong_words_are_elements_and_all_else_is_escaped() {
        let html = Prose::new("**Now** `a < b` & `c`.").render().unwrap();
        let expected = "<strong>Now</strong> <code>a &#60; b</code> &#38; <code>c</code>.";
        assert_eq!(html, expected);
        assert!(Prose::new("").is_empty());
    }
}
