package project

import (
	"bytes"
	"encoding/csv"
	"regexp"
	"strings"
)

// parseCSV reads a table of comma, semicolon or tab separated values with a header.
func parseCSV(content []byte, b *bounds) (Value, error) {
	header, _, _ := bytes.Cut(content, []byte("\n"))
	comma, most := ',', 0
	for _, c := range ",;\t" {
		if n := bytes.Count(header, []byte(string(c))); n > most {
			comma, most = c, n
		}
	}
	if most == 0 {
		return Value{}, errStructure
	}
	r := csv.NewReader(bytes.NewReader(content))
	r.Comma = comma
	r.TrimLeadingSpace = true
	rows, err := r.ReadAll() // every row has as many fields as the first
	if err != nil {
		return Value{}, errStructure
	}
	return tabular(rows, b)
}

// tabular makes a list of objects of rows, the first of which is the header.
func tabular(rows [][]string, b *bounds) (Value, error) {
	if len(rows) < 2 {
		return Value{}, errStructure
	}
	header := rows[0]
	v := Value{Kind: List}
	for _, row := range rows[1:] {
		if err := b.node(); err != nil {
			return v, err
		}
		item := Value{Kind: Object, Members: make([]Member, 0, len(row))}
		for i, cell := range row {
			if err := b.node(); err != nil {
				return v, err
			}
			item.Members = append(item.Members, Member{Name: header[i], Value: cellValue(cell)})
		}
		v.Items = append(v.Items, item)
	}
	if !unique(v.Items[0].Members) {
		return v, errStructure
	}
	return v, nil
}

// cellValue types a cell that is plainly a number or a truth value; a table has no types of its own.
func cellValue(cell string) Value {
	cell = strings.TrimSpace(cell)
	switch low := strings.ToLower(cell); {
	case low == "true" || low == "false":
		return Value{Kind: Bool, Text: low}
	case isNumber(cell):
		return Value{Kind: Number, Text: cell}
	}
	return Value{Kind: String, Text: cell}
}

// parseTable reads a table of Markdown (with or without outer bars), one drawn with +---+, or one as psql prints it.
func parseTable(content []byte, b *bounds) (Value, error) {
	var rows [][]string
	borders := 0
	for line := range strings.Lines(string(content)) {
		switch line = strings.TrimSpace(line); {
		case line == "":
			return Value{}, errStructure
		case isBorder(line):
			if borders++; borders > 1 && len(rows) == 0 {
				return Value{}, errStructure
			}
		case isRowCount(line):
		default:
			row := cells(line)
			if len(row) < 2 && line[0] != '|' || len(rows) > 0 && len(row) != len(rows[0]) || len(rows) == 1 && borders == 0 {
				return Value{}, errStructure
			}
			rows = append(rows, row)
		}
	}
	if borders == 0 {
		return Value{}, errStructure
	}
	return tabular(rows, b)
}

// isBorder tells a line that only draws.
func isBorder(line string) bool {
	return strings.Trim(line, "|+-=: ") == "" && strings.ContainsAny(line, "-=")
}

// isRowCount tells the line "(2 rows)" that psql ends with.
func isRowCount(line string) bool {
	ok, _ := regexp.MatchString(`^\(\d{1,9} rows?\)$`, line)
	return ok
}

// cells splits a row at its bars; a bar behind a backslash is part of a cell.
func cells(line string) []string {
	line = strings.TrimPrefix(line, "|")
	var out []string
	var cell strings.Builder
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '\\' && i+1 < len(line) && line[i+1] == '|':
			cell.WriteByte('|')
			i++
		case line[i] == '|':
			out = append(out, strings.TrimSpace(cell.String()))
			cell.Reset()
		default:
			cell.WriteByte(line[i])
		}
	}
	if strings.TrimSpace(cell.String()) != "" || !strings.HasSuffix(line, "|") {
		out = append(out, strings.TrimSpace(cell.String()))
	}
	return out
}
