//! All figures as JSON.

use serde_json::{Value, json};

use super::Report;
use crate::figures::{METRICS, Metric, Series, Summary};

/// Returns the machine, the settings, and each figure with all its values.
pub fn json(report: &Report) -> Value {
    let mut figures = Vec::new();
    for engine in &report.engines {
        for (rows, series) in &engine.sizes {
            let about = json!({ "engine": engine.name, "rows": rows });
            figures.extend(values(series, &about));
        }
    }
    let compared = report.systems.iter().flat_map(|system| {
        let about = json!({ "system": system.name });
        values(&system.series, &about)
    });
    let engines = report.engines.iter();
    let options = report.options;
    json!({
        "machine": report.machine.json(),
        "engines": engines.map(|engine| engine.description.clone()).collect::<Vec<_>>(),
        "settings": {
            "repetitions": options.repetitions,
            "seconds": options.seconds,
            "clients": options.clients,
        },
        "figures": figures,
        "comparison": compared.collect::<Vec<_>>(),
        "ratios": ratios(report),
    })
}

fn values(series: &Series, about: &Value) -> Vec<Value> {
    let one = |metric: &Metric| {
        let Summary { median, min, max } = series.summary(metric.name)?;
        let mut value = about.clone();
        let object = value.as_object_mut()?;
        object.extend([
            ("figure".to_owned(), json!(metric.name)),
            ("label".to_owned(), json!(metric.label.trim())),
            ("unit".to_owned(), json!(metric.unit)),
            ("median".to_owned(), json!(median)),
            ("min".to_owned(), json!(min)),
            ("max".to_owned(), json!(max)),
            ("values".to_owned(), json!(series.values(metric.name))),
        ]);
        Some(value)
    };
    METRICS.iter().filter_map(one).collect()
}

fn ratios(report: &Report) -> Vec<Value> {
    let mut ratios = Vec::new();
    for (one, other) in report.pairs() {
        for metric in METRICS {
            if let Some(ratio) = one.series.ratio(&other.series, metric.name) {
                ratios.push(json!({
                    "figure": metric.name,
                    "system": one.name,
                    "to": other.name,
                    "ratio": ratio,
                }));
            }
        }
    }
    ratios
}

#[cfg(test)]
mod tests {
    use super::super::tests::{example, options};
    use super::*;

    #[test]
    fn each_figure_has_its_values_and_what_they_belong_to() {
        let options = options();
        let json = json(&example(&options));
        let figures = json["figures"].as_array().unwrap();
        assert_eq!(figures.len(), 2 * 2 * 2);
        assert_eq!(figures[0]["engine"], "SQLite");
        assert_eq!(figures[0]["rows"], 1000);
        assert_eq!(figures[0]["figure"], "accept_rate");
        assert_eq!(figures[0]["median"], 1000.0);
        assert_eq!(figures[0]["values"], json!([900.0, 1000.0, 1200.0]));
        assert_eq!(json["comparison"].as_array().unwrap().len(), 2 * 2);
        assert_eq!(json["ratios"][0]["to"], "bullmq");
        assert_eq!(json["ratios"][0]["ratio"], 1.5);
        assert_eq!(json["settings"]["repetitions"], 3);
        assert!(json["machine"]["cpu"].is_string());
    }
}
