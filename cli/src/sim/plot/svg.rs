//! A chart of lines as SVG. The text stays text, set in whatever sans-serif face
//! the reader has, so that drawing needs no fonts and gives the same bytes
//! everywhere.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use std::ops::Range;

/// Colours that are told apart with any kind of eyes (Okabe and Ito), less
/// their yellow, which white paper swallows.
const PALETTE: [RGBColor; COLOURS] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(128, 128, 128),
];
/// Most lines of one stroke.
pub(super) const COLOURS: usize = 8;

const SIZE: (u32, u32) = (1000, 560);
/// Where the legend begins: beside the lines, so that it hides none.
const LEGEND: i32 = 690;
const LEGEND_LINE: i32 = 22;
const TICK_LABELS: (&str, u32) = ("sans-serif", 13);
const AXIS_TITLES: (&str, u32) = ("sans-serif", 15);
const TITLE: (&str, u32) = ("sans-serif", 20);
/// Least share of an axis that lies beyond the outermost points.
const MARGIN: f64 = 0.05;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Lines over two axes.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
}

/// One axis.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) title: String,
    pub(super) log: bool,
}

/// One line, its points from left to right.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) colour: usize,
    pub(super) stroke: Stroke,
    pub(super) points: Vec<(f64, f64)>,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stroke {
    Solid,
    Dashed,
    Dotted,
}

impl Stroke {
    /// Lengths of a dash and of the gap after it.
    fn dash(self) -> Option<(i32, i32)> {
        match self {
            Stroke::Solid => None,
            Stroke::Dashed => Some((8, 5)),
            Stroke::Dotted => Some((2, 4)),
        }
    }
}

impl Axis {
    /// From before the least to after the greatest of `values`.
    fn range(&self, values: impl Iterator<Item = f64>) -> Range<f64> {
        let ends = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), ends);
        match (low <= high, self.log) {
            (false, _) => 1.0..10.0,
            (true, true) => {
                let margin = (high / low).powf(MARGIN).max(1.2);
                low / margin..high * margin
            }
            (true, false) => {
                let extent = if high > low {
                    high - low
                } else {
                    high.abs().max(1.0)
                };
                let margin = extent * MARGIN;
                // What cannot be negative has no axis below zero.
                let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
                (low - margin).max(floor)..high + margin
            }
        }
    }
}

impl Chart<'_> {
    /// The chart as an SVG document.
    pub(super) fn svg(&self) -> Result<String, String> {
        let mut svg = String::new();
        self.draw(SVGBackend::with_string(&mut svg, SIZE).into_drawing_area())
            .map_err(|error| error.to_string())?;
        Ok(svg)
    }

    fn draw(&self, area: Area<'_>) -> Result<(), Box<dyn std::error::Error + '_>> {
        area.fill(&WHITE)?;
        let area = area.titled(self.title, TITLE)?;
        let (left, right) = area.split_horizontally(LEGEND);
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = self.x.range(points().map(|point| point.0));
        let y = self.y.range(points().map(|point| point.1));
        match (self.x.log, self.y.log) {
            (false, false) => self.plot(&left, x, y)?,
            (false, true) => self.plot(&left, x, y.log_scale())?,
            (true, false) => self.plot(&left, x.log_scale(), y)?,
            (true, true) => self.plot(&left, x.log_scale(), y.log_scale())?,
        }
        self.legend(&right)?;
        area.present()?;
        Ok(())
    }

    fn plot<X, Y>(&self, area: &Area<'_>, x: X, y: Y) -> Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(72)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(&self.x.title)
            .y_desc(&self.y.title)
            .x_label_formatter(&|value| tick(*value))
            .y_label_formatter(&|value| tick(*value))
            .label_style(TICK_LABELS)
            .axis_desc_style(AXIS_TITLES)
            // Between the decades of a logarithm they would lie anywhere.
            .max_light_lines(0)
            .bold_line_style(BLACK.mix(0.15))
            .draw()?;
        for line in &self.lines {
            let (points, style) = (line.points.iter().copied(), style(line));
            match line.stroke.dash() {
                Some((dash, gap)) => {
                    chart.draw_series(DashedLineSeries::new(points, dash, gap, style))?;
                }
                None => {
                    chart.draw_series(LineSeries::new(points.clone(), style))?;
                    // Between the points nothing was measured.
                    let dot = |point| Circle::new(point, 3, style.filled());
                    chart.draw_series(points.map(dot))?;
                }
            }
        }
        Ok(())
    }

    fn legend(&self, area: &Area<'_>) -> Result<(), Box<dyn std::error::Error>> {
        for (row, line) in (1..).zip(&self.lines) {
            let y = row * LEGEND_LINE;
            let (sample, style) = ([(8, y), (48, y)], style(line));
            match line.stroke.dash() {
                Some((dash, gap)) => {
                    area.draw(&DashedPathElement::new(sample, dash, gap, style))?;
                }
                None => area.draw(&PathElement::new(sample, style))?,
            }
            let name = Text::new(line.name.as_str(), (56, y - 7), TICK_LABELS);
            area.draw(&name)?;
        }
        Ok(())
    }
}

fn style(line: &Line) -> ShapeStyle {
    PALETTE[line.colour % COLOURS].stroke_width(2)
}

/// A number without the noise of its last bits.
fn tick(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-4 {
        return format!("{value:e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(log: bool) -> String {
        let axis = |title: &str| Axis {
            title: title.into(),
            log,
        };
        let line = |name: &str, colour, stroke| Line {
            name: name.into(),
            colour,
            stroke,
            points: vec![(1.0, 2.0), (10.0, 30.0), (1000.0, 31.0)],
        };
        let chart = Chart {
            title: "loss < 5 %",
            x: axis("receivers"),
            y: axis("NACKs heard"),
            lines: vec![
                line("measured", 0, Stroke::Solid),
                line("bound", 1, Stroke::Dashed),
            ],
        };
        chart.svg().unwrap()
    }

    #[test]
    fn titles_legend_and_ticks_are_text() {
        for log in [false, true] {
            let svg = chart(log);
            let lines: Vec<_> = svg.lines().map(str::trim).collect();
            for text in ["receivers", "NACKs heard", "measured", "bound", "10"] {
                assert!(lines.contains(&text) || log != (text == "10"), "{text}");
            }
            assert!(svg.contains("loss &lt; 5 %"));
            assert!(svg.contains("#FFFFFF"), "white behind it");
            assert_eq!(svg, chart(log), "equal charts are equal bytes");
        }
    }

    #[test]
    fn axes_leave_room_around_the_points() {
        let range = |log, values: &[f64]| {
            let title = String::new();
            Axis { title, log }.range(values.iter().copied())
        };
        assert_eq!(range(false, &[1.0, 2.0]), 0.95..2.05);
        assert_eq!(range(false, &[0.0, 100.0]), 0.0..105.0);
        assert_eq!(range(true, &[5.0, 5.0]), 5.0 / 1.2..6.0);
        assert!(range(false, &[7.0]).contains(&7.0));
        assert_eq!(range(false, &[]), 1.0..10.0);
    }

    #[test]
    fn ticks_have_no_noise() {
        assert_eq!(tick(1.150_000_000_000_000_1), "1.15");
        assert_eq!(tick(10_000.0), "10000");
        assert_eq!(tick(0.0), "0");
        assert_eq!(tick(0.00002), "2e-5");
    }
}
