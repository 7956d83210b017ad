//! Text with tabs made to columns, as Docker's copy of Go's `tabwriter` does it.

/// The narrowest a column may be, its padding included.
const MIN_WIDTH: usize = 10;
/// Spaces behind the widest cell of a column.
const PADDING: usize = 3;

/// Every tab ends a cell. A column is made of cells that stand under each other without a gap; what stands behind the
/// last tab of a line belongs to none.
pub fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|_| Vec::new()).collect();
    let columns = lines.iter().map(|cells| cells.len() - 1).max().unwrap_or(0);
    for column in 0..columns {
        let mut line = 0;
        while line < lines.len() {
            let block = lines[line..].iter().take_while(|cells| cells.len() > column + 1).count();
            let cells = lines[line..line + block].iter().filter_map(|cells| cells.get(column));
            let width = cells.map(|cell| cell.chars().count() + PADDING).fold(MIN_WIDTH, usize::max);
            for widths in &mut widths[line..line + block] {
                widths.push(width);
            }
            line += block.max(1);
        }
    }
    let mut out = String::with_capacity(text.len());
    for (index, (cells, widths)) in lines.iter().zip(&widths).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for (column, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(column) {
                out.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
        }
    }
    out
}
