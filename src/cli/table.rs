//! Tables as Go's `tabwriter` prints them for Docker: cells at least 10 wide, 3 spaces between, the last cell not padded.
//! It counts characters, so these do too: one that takes two cells of a terminal, or none, is out of line with both.

/// The narrowest a column may be, its padding included.
const MIN_WIDTH: usize = 10;
/// Spaces after the widest cell of a column.
const PADDING: usize = 3;

/// Rows of cells under a header.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table that has only its header.
    pub fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().copied().map(str::to_owned).collect()] }
    }

    /// Adds a row. It has as many cells as the header.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines, header first, without line ends.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count() + PADDING).fold(MIN_WIDTH, usize::max)
            })
            .collect();
        self.rows.iter().map(move |row| {
            let mut line = String::new();
            let last = row.len().saturating_sub(1);
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                line.push_str(cell);
                if column < last {
                    line.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
                }
            }
            line
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s22_columns_are_padded_like_dockers() {
        let mut table = Table::new(&["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
        let cells = ["busybox", "latest", "d5e1e48cf932", "3 days ago", "1.22MB"];
        table.row(cells.map(str::to_owned).to_vec());
        let lines: Vec<String> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "REPOSITORY   TAG       IMAGE ID       CREATED      SIZE",
                "busybox      latest    d5e1e48cf932   3 days ago   1.22MB",
            ]
        );
    }

    #[test]
    fn s21_an_empty_table_is_its_header() {
        let table = Table::new(&["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
        assert_eq!(table.lines().collect::<Vec<_>>(), ["REPOSITORY   TAG       IMAGE ID   CREATED   SIZE"],);
    }

    #[test]
    fn widths_count_characters_and_an_empty_last_cell_leaves_padding_of_its_neighbour_only() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec!["äöüäöüäöü".to_owned(), String::new()]);
        assert_eq!(table.lines().collect::<Vec<_>>(), ["A           B", "äöüäöüäöü   "]);
    }
}
