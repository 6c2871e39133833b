//! `/debug/flamegraph`: a CPU profile as a picture. Each box is a function as wide as the time that was spent below it; what it called
//! stands on it.
//!
//! One SVG without outside resources. A click looks closer at a box, with a script of a few lines; without it the titles still tell all.

use std::collections::BTreeMap;
use std::fmt::Write;

use trilane_exchange::{Error, Outgoing, Request, Response};
use trilane_profile::CpuProfile;
use trilane_semantics::{Known, StatusCode};
use trilane_service::Query;

use crate::cpu::{Taking, Wanted};
use crate::profile::Symbols;

/// The height of a box, in pixels.
const ROW: usize = 16;
/// What is above the boxes.
const TOP: usize = 40;
/// The width of all samples.
const WIDTH: f64 = 1200.0;
/// What is narrower than this is left out.
const NARROW: f64 = 0.3;
/// Functions on top of each other that are shown.
const MOST_ROWS: usize = 256;
/// What a letter takes, about.
const LETTER: f64 = 6.6;

/// Takes a profile, and draws it.
pub(crate) async fn flame(
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Response, Error> {
    let (shard, taking) = (request.shard().clone(), Taking::start(request.shard(), &wanted)?);
    let body = Outgoing::write(|writer| async move {
        let (found, _) = taking.finish(&shard).await;
        writer.send(shard.blocking(move || draw(&tree(&found))).await).await;
        Ok(())
    });
    Ok(Response::new(StatusCode::OK)
        .field(Known::ContentType, "image/svg+xml")
        .field(Known::XContentTypeOptions, "nosniff")
        .field("content-security-policy", POLICY)
        .body(body))
}

/// Names of functions are text here, and nothing comes from elsewhere: what is inline is ours.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// A function, by all that led to it.
#[derive(Debug, Default)]
struct Node {
    /// Samples with it.
    count: u64,
    /// What it called, by name.
    called: BTreeMap<String, Self>,
}

impl Node {
    /// Adds a stack, outermost first.
    fn add(&mut self, stack: impl IntoIterator<Item = String>, count: u64) {
        self.count += count;
        let mut node = self;
        for name in stack.into_iter().take(MOST_ROWS) {
            node = node.called.entry(name).or_default();
            node.count += count;
        }
    }

    fn height(&self) -> usize {
        1 + self.called.values().map(Self::height).max().unwrap_or(0)
    }
}

/// The threads, and what they ran.
fn tree(found: &CpuProfile) -> Node {
    let symbols = Symbols::of(found.stacks.keys().map(|stack| &*stack.frames));
    let mut root = Node::default();
    for (stack, count) in &found.stacks {
        let mut names = vec![stack.thread.to_string()];
        for frame in stack.frames.iter().rev() {
            names.extend(symbols.at(*frame).iter().rev().map(|symbol| symbol.name.clone()));
        }
        root.add(names, *count);
    }
    root
}

fn draw(root: &Node) -> String {
    let height = TOP + root.height() * ROW + 8;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"ui-monospace,monospace\" font-size=\"11\">\n\
         <style>g:hover>rect{{stroke:#000;stroke-width:.7}}g{{cursor:pointer}}text{{pointer-events:none}}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"24\" font-size=\"15\">CPU, {} samples</text>\n",
        root.count
    );
    let total = root.count.max(1) as f64;
    boxes(&mut svg, "all", root, (0.0, WIDTH / total), height - ROW - 4, root.count);
    svg.push_str(SCRIPT);
    svg.push_str("</svg>\n");
    svg
}

/// Draws a function, and above it what it called: from a place on, so many pixels a sample.
fn boxes(svg: &mut String, name: &str, node: &Node, (x, unit): (f64, f64), y: usize, total: u64) {
    let width = node.count as f64 * unit;
    if width < NARROW || y < TOP {
        return;
    }
    let share = node.count as f64 * 100.0 / total.max(1) as f64;
    let (hue, light) = color(name);
    let letters = (width / LETTER) as usize;
    // What the name is shortened to, if there is room for some letters at all.
    let shown: String = match name.chars().count() {
        _ if letters < 3 => String::new(),
        long if long > letters => name.chars().take(letters - 1).chain(['…']).collect(),
        _ => name.to_owned(),
    };
    // Writing to a string does not fail.
    let _ = writeln!(
        svg,
        "<g><title>{} ({} samples, {share:.2} %)</title>\
         <rect x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"{}\" rx=\"1\" fill=\"hsl({hue} 75% {light}%)\"/>\
         <text x=\"{:.2}\" y=\"{}\">{}</text></g>",
        Escaped(name),
        node.count,
        ROW - 1,
        x + 3.0,
        y + 11,
        Escaped(&shown),
    );
    let mut x = x;
    for (name, node) in &node.called {
        boxes(svg, name, node, (x, unit), y.saturating_sub(ROW), total);
        x += node.count as f64 * unit;
    }
}

/// A warm color of its own for each crate, as far as there are any, and a shade for each function of it.
fn color(name: &str) -> (u32, u32) {
    let hash =
        |text: &str| text.bytes().fold(5381u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(byte));
    let of = name.trim_start_matches(['<', '&']).split("::").next().unwrap_or_default();
    (hash(of) % 56, 62 + hash(name) % 12)
}

/// Text as XML has it.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                // XML has no place for others.
                other if other.is_control() => f.write_char(' ')?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A click on a box makes it as wide as the picture, and what stands on it with it; one on the lowest shows all again.
const SCRIPT: &str = r#"<script><![CDATA[
const all = [...document.querySelectorAll("g")].map(g => {
  const [box, text] = [g.querySelector("rect"), g.querySelector("text")];
  const name = g.querySelector("title").textContent.replace(/ \(\d+ samples.*$/, "");
  return { g, box, text, name, x: +box.getAttribute("x"), w: +box.getAttribute("width") };
});
for (const it of all) it.g.addEventListener("click", () => {
  const scale = 1200 / it.w;
  for (const other of all) {
    const [x, w] = [(other.x - it.x) * scale, other.w * scale];
    const [from, to] = [Math.max(0, x), Math.min(1200, x + w)];
    other.g.style.display = to - from > 0.05 ? "" : "none";
    other.box.setAttribute("x", from);
    other.box.setAttribute("width", Math.max(0, to - from));
    other.text.setAttribute("x", from + 3);
    const letters = Math.floor((to - from) / 6.6);
    other.text.textContent = letters < 3 ? "" : other.name.length > letters ? other.name.slice(0, letters - 1) + "…" : other.name;
  }
});
]]></script>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(names: &str) -> Vec<String> {
        names.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn stacks_with_the_same_beginning_share_it() {
        let mut root = Node::default();
        root.add(stack("main a b"), 3);
        root.add(stack("main a c"), 1);
        root.add(stack("other"), 4);
        assert_eq!((root.count, root.height()), (8, 4));
        let a = &root.called["main"].called["a"];
        assert_eq!((a.count, a.called["b"].count, a.called["c"].count), (4, 3, 1));
        let svg = draw(&root);
        assert!(svg.contains("<title>b (3 samples, 37.50 %)</title>"), "{svg}");
        assert!(svg.contains("width=\"450.00\""), "{svg}");
    }

    #[test]
    fn names_are_text() {
        let mut root = Node::default();
        root.add(stack("<a&\"b>\u{1}"), 1);
        assert!(
            draw(&root).contains("<title>&lt;a&amp;&quot;b&gt;  (1 samples, 100.00 %)</title>")
        );
    }

    #[test]
    fn none_and_very_deep_ones_are_drawn() {
        assert!(draw(&Node::default()).contains("CPU, 0 samples"));
        let mut root = Node::default();
        root.add((0..10_000).map(|depth| depth.to_string()), 1);
        assert_eq!(root.height(), MOST_ROWS + 1);
        assert!(draw(&root).ends_with("</svg>\n"));
    }
}
