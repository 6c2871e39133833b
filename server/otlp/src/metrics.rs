//! What is on `/metrics`, as OTLP has it: the text of OpenMetrics 1.0, read line by line. It is our own text, but users register metrics
//! too: a line that is none is left out.

use serde_json::{Value as Json, json};

use crate::json::{scope, text};

/// A metric of the text.
#[derive(Debug, Default, PartialEq)]
struct Family<'a> {
    name: &'a str,
    help: &'a str,
    kind: &'a str,
    unit: &'a str,
    samples: Vec<Sample<'a>>,
}

/// A line with a value.
#[derive(Debug, PartialEq)]
struct Sample<'a> {
    /// What follows the name of the metric, such as `_bucket`.
    suffix: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
}

/// A request to export what `open` says, counted since `start` (both times in nanoseconds since 1970).
pub(crate) fn metrics(resource: &Json, open: &str, start: u64, now: u64) -> Vec<u8> {
    let times = (start.to_string(), now.to_string());
    let all: Vec<Json> =
        families(open).iter().filter_map(|family| metric(family, &times)).collect();
    let scopes = json!([{ "scope": scope(), "metrics": all }]);
    let metrics = json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": scopes }] });
    metrics.to_string().into_bytes()
}

fn metric(family: &Family<'_>, times: &(String, String)) -> Option<Json> {
    let of = |suffix: &'static str| {
        let own = family.samples.iter().filter(move |sample| sample.suffix == suffix);
        own.map(|sample| number(sample, times)).collect::<Vec<Json>>()
    };
    // Cumulative, as Prometheus counts.
    let (kind, data) = match family.kind {
        "counter" => (
            "sum",
            json!({ "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": of("_total") }),
        ),
        "gauge" | "unknown" => ("gauge", json!({ "dataPoints": of("") })),
        "histogram" => (
            "histogram",
            json!({ "aggregationTemporality": 2, "dataPoints": histograms(family, times) }),
        ),
        _ => return None,
    };
    Some(
        json!({ "name": family.name, "description": family.help, "unit": family.unit, kind: data }),
    )
}

fn number(sample: &Sample<'_>, (start, now): &(String, String)) -> Json {
    let attributes = attributes(&sample.labels);
    json!({ "attributes": attributes, "startTimeUnixNano": start, "timeUnixNano": now, "asDouble": sample.value })
}

fn attributes(labels: &[(&str, String)]) -> Vec<Json> {
    labels.iter().map(|(name, value)| text(name, value)).collect()
}

/// A point for each set of labels, in the order of the text, in which its lines are together.
fn histograms(family: &Family<'_>, (start, now): &(String, String)) -> Vec<Json> {
    let mut points: Vec<(Vec<(&str, String)>, Point)> = Vec::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let bound = labels.iter().position(|(name, _)| *name == "le").map(|at| labels.remove(at).1);
        if points.last().is_none_or(|(known, _)| *known != labels) {
            points.push((labels, Point::default()));
        }
        let Some((_, point)) = points.last_mut() else { continue };
        match (sample.suffix, bound) {
            ("_sum", _) => point.sum = sample.value,
            ("_count", _) => point.count = sample.value as u64,
            ("_bucket", Some(bound)) => {
                // Of buckets Prometheus says how many are up to a bound, OTLP how many are between two.
                let up_to = sample.value as u64;
                point.counts.push(up_to.saturating_sub(point.up_to).to_string());
                point.up_to = up_to;
                point.bounds.extend(bound.parse::<f64>().ok().filter(|bound| bound.is_finite()));
            }
            _ => {}
        }
    }
    let json = |(labels, point): (Vec<(&str, String)>, Point)| {
        json!({
            "attributes": attributes(&labels), "startTimeUnixNano": start, "timeUnixNano": now,
            "count": point.count.to_string(), "sum": point.sum,
            "bucketCounts": point.counts, "explicitBounds": point.bounds,
        })
    };
    points.into_iter().map(json).collect()
}

#[derive(Default)]
struct Point {
    sum: f64,
    count: u64,
    up_to: u64,
    counts: Vec<String>,
    bounds: Vec<f64>,
}

fn families(open: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in open.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            if let Some(family) = families.last_mut() {
                family.samples.extend(sample(line, family.name));
            }
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(what), Some(name)) = (words.next(), words.next()) else { continue };
        let rest = words.next().unwrap_or_default();
        if families.last().is_none_or(|family| family.name != name) {
            families.push(Family { name, ..Family::default() });
        }
        let Some(family) = families.last_mut() else { continue };
        match what {
            "HELP" => family.help = rest.trim_end_matches('.'),
            "TYPE" => family.kind = rest,
            "UNIT" => family.unit = rest,
            _ => {}
        }
    }
    families
}

/// `name_suffix{label="value",..} value`, and maybe more, which is not needed.
fn sample<'a>(line: &'a str, name: &str) -> Option<Sample<'a>> {
    let rest = line.strip_prefix(name)?;
    let (suffix, rest) = rest.split_at(rest.find(['{', ' '])?);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample { suffix, labels, value })
}

/// The labels up to the brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, value) = rest.trim_start_matches(',').split_once("=\"")?;
        let (mut text, mut characters) = (String::new(), value.char_indices());
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => match characters.next()?.1 {
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                (_, other) => text.push(other),
            }
        };
        labels.push((name, text));
        rest = &value[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP r Requests that were answered.\n# TYPE r counter\nr_total{m=\"GET\",p=\"/a\\\"\\\\\\n}\"} 3 # {x=\"y\"} 1\n\
                        # HELP g .\n# TYPE g gauge\n# UNIT g seconds\ng -1.5\nnonsense\n\
                        # HELP h .\n# TYPE h histogram\nh_sum{m=\"GET\"} 0.5\nh_count{m=\"GET\"} 4\n\
                        h_bucket{le=\"0.1\",m=\"GET\"} 1\nh_bucket{le=\"1.0\",m=\"GET\"} 3\nh_bucket{le=\"+Inf\",m=\"GET\"} 4\n\
                        h_sum{m=\"PUT\"} 0\nh_count{m=\"PUT\"} 0\nh_bucket{le=\"+Inf\",m=\"PUT\"} 0\n# EOF\n";

    fn read(text: &str) -> Json {
        let bytes = metrics(&json!({}), text, 1, 2);
        let mut json: Json = serde_json::from_slice(&bytes).unwrap();
        json["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].take()
    }

    #[test]
    fn counters_gauges_and_histograms() {
        let all = read(TEXT);
        let counter = &all[0]["sum"];
        assert_eq!((&all[0]["name"], &counter["isMonotonic"]), (&json!("r"), &json!(true)));
        let point = &counter["dataPoints"][0];
        assert_eq!((&point["asDouble"], &point["timeUnixNano"]), (&json!(3.0), &json!("2")));
        assert_eq!(point["attributes"][1]["value"]["stringValue"], "/a\"\\\n}");
        assert_eq!(
            (&all[1]["unit"], &all[1]["gauge"]["dataPoints"][0]["asDouble"]),
            (&json!("seconds"), &json!(-1.5))
        );
        let points = &all[2]["histogram"]["dataPoints"];
        assert_eq!(points.as_array().unwrap().len(), 2);
        assert_eq!(points[0]["bucketCounts"], json!(["1", "2", "1"]));
        assert_eq!(points[0]["explicitBounds"], json!([0.1, 1.0]));
        assert_eq!((&points[0]["count"], &points[0]["sum"]), (&json!("4"), &json!(0.5)));
        assert_eq!(
            (&points[1]["bucketCounts"], &points[1]["explicitBounds"]),
            (&json!(["0"]), &json!([]))
        );
    }

    /// Whatever users register, nothing panics.
    #[test]
    fn a_text_cut_anywhere_is_read() {
        for end in 0..TEXT.len() {
            let _ = read(&TEXT[..end]);
        }
    }
}
