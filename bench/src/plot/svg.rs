//! A chart of bars as SVG. The text stays text, set in whatever sans-serif face
//! the reader has, so that drawing needs no fonts and gives the same bytes
//! everywhere.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Colours that are told apart with any kind of eyes (Okabe and Ito), less
/// their yellow, which white paper swallows.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(128, 128, 128),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
/// A group of bars, and the least that a chart is wide for its title.
const GROUP_WIDTH: u32 = 150;
const WIDTH_MIN: u32 = 450;
const HEIGHT: u32 = 520;
/// Room for the names of the series, beside the bars so that it hides none.
const LEGEND_WIDTH: u32 = 160;
const LABEL_LINE: i32 = 16;
const LEGEND_LINE: i32 = 22;
const LABELS: (&str, u32) = ("sans-serif", 13);
const AXIS_TITLE: (&str, u32) = ("sans-serif", 15);
const TITLE: (&str, u32) = ("sans-serif", 20);
/// Part of a group's width that its bars take.
const BARS: f64 = 0.84;
/// Axis above the highest whisker.
const MARGIN: f64 = 1.05;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Groups of bars side by side.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// Of the vertical axis, which begins at zero.
    pub(super) unit: &'static str,
    /// What stands below each group, line by line.
    pub(super) groups: Vec<Vec<String>>,
    pub(super) series: Vec<Series>,
}

/// Bars of one colour, one a group where there is a figure.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) bars: Vec<Option<Bar>>,
}

/// One bar: its height, and the ends of its whisker.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) least: f64,
    pub(super) median: f64,
    pub(super) most: f64,
}

impl Chart {
    /// The chart as an SVG document.
    pub(super) fn svg(&self) -> Result<String, String> {
        let width = (self.groups.len() as u32 * GROUP_WIDTH).max(WIDTH_MIN);
        let size = (width + LEGEND_WIDTH, HEIGHT);
        let mut svg = String::new();
        self.draw(
            SVGBackend::with_string(&mut svg, size).into_drawing_area(),
            width,
        )
        .map_err(|error| error.to_string())?;
        Ok(svg)
    }

    fn draw(&self, area: Area<'_>, width: u32) -> Result<(), Box<dyn std::error::Error + '_>> {
        area.fill(&WHITE)?;
        let area = area.titled(self.title, TITLE)?;
        let (left, right) = area.split_horizontally(width);
        self.plot(&left)?;
        self.legend(&right)?;
        area.present()?;
        Ok(())
    }

    fn plot(&self, area: &Area<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let lines = self.groups.iter().map(Vec::len).max().unwrap_or(0) as i32;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size((lines + 1) * LABEL_LINE)
            .y_label_area_size(72)
            .build_cartesian_2d(0.0..self.groups.len() as f64, 0.0..self.top())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(0)
            .y_desc(self.unit)
            .label_style(LABELS)
            .axis_desc_style(AXIS_TITLE)
            .max_light_lines(0)
            .bold_line_style(BLACK.mix(0.15))
            .draw()?;
        let width = BARS / self.series.len().max(1) as f64;
        for (index, series) in self.series.iter().enumerate() {
            let first = (1.0 - BARS) / 2.0 + width * index as f64;
            for (group, bar) in series.bars.iter().enumerate() {
                let Some(bar) = bar else { continue };
                let (from, to) = (group as f64 + first, group as f64 + first + width);
                let fill = PALETTE[index % PALETTE.len()].filled();
                let body = Rectangle::new([(from, 0.0), (to, bar.median)], fill);
                chart.draw_series([body])?;
                chart.draw_series(whisker(from, to, bar))?;
            }
        }
        let style = TextStyle::from(LABELS).pos(Pos::new(HPos::Center, VPos::Top));
        for (group, label) in self.groups.iter().enumerate() {
            let (x, y) = chart
                .plotting_area()
                .map_coordinate(&(group as f64 + 0.5, 0.0));
            let (left, top) = area.get_base_pixel();
            for (line, text) in (0..).zip(label) {
                let at = (x - left, y - top + 8 + line * LABEL_LINE);
                area.draw(&Text::new(text.as_str(), at, style.clone()))?;
            }
        }
        Ok(())
    }

    /// Top of the axis. Where everything is zero there is an axis all the same.
    fn top(&self) -> f64 {
        let bars = self
            .series
            .iter()
            .flat_map(|series| series.bars.iter().flatten());
        match bars.map(|bar| bar.most).fold(0.0, f64::max) {
            0.0 => 1.0,
            most => most * MARGIN,
        }
    }

    fn legend(&self, area: &Area<'_>) -> Result<(), Box<dyn std::error::Error>> {
        for (index, series) in self.series.iter().enumerate() {
            let y = (index as i32 + 1) * LEGEND_LINE;
            let fill = PALETTE[index % PALETTE.len()].filled();
            area.draw(&Rectangle::new([(8, y - 6), (28, y + 6)], fill))?;
            area.draw(&Text::new(series.name.as_str(), (36, y - 7), LABELS))?;
        }
        Ok(())
    }
}

/// From the least to the most, with a stroke at each end.
fn whisker(from: f64, to: f64, bar: &Bar) -> [PathElement<(f64, f64)>; 3] {
    let (middle, reach) = ((from + to) / 2.0, (to - from) / 5.0);
    let stroke = |points: [(f64, f64); 2]| PathElement::new(points, BLACK.stroke_width(1));
    let end = |y| stroke([(middle - reach, y), (middle + reach, y)]);
    [
        stroke([(middle, bar.least), (middle, bar.most)]),
        end(bar.least),
        end(bar.most),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let bar = |median: f64| {
            let (least, most) = (median / 2.0, median * 2.0);
            Some(Bar {
                least,
                median,
                most,
            })
        };
        let series = |name: &str, bars| Series {
            name: name.into(),
            bars,
        };
        Chart {
            title: "loss < 5 %",
            unit: "Gbit/s",
            groups: vec![vec!["4 rx".into(), "1 %".into()], vec!["16 rx".into()]],
            series: vec![
                series("one", vec![bar(1.0), bar(2.0)]),
                series("two", vec![None, bar(4.0)]),
            ],
        }
    }

    #[test]
    fn every_figure_has_its_bar() {
        let svg = chart().svg().unwrap();
        assert!(svg.contains("#0072B2") && svg.contains("#808080"));
        // A bar and a legend entry each, and the paper.
        assert_eq!(svg.matches("<rect ").count(), 3 + 2 + 1);
        assert_eq!(svg, chart().svg().unwrap(), "equal charts are equal bytes");
    }

    #[test]
    fn names_and_labels_are_text() {
        let svg = chart().svg().unwrap();
        let lines: Vec<_> = svg.lines().map(str::trim).collect();
        for text in ["one", "two", "4 rx", "1 %", "16 rx", "Gbit/s"] {
            assert!(lines.contains(&text), "{text}");
        }
        assert!(svg.contains("loss &lt; 5 %"));
    }

    #[test]
    fn the_axis_reaches_above_the_whiskers() {
        assert_eq!(chart().top(), 8.0 * MARGIN);
        let empty = Chart {
            series: Vec::new(),
            ..chart()
        };
        assert_eq!(empty.top(), 1.0);
    }
}
