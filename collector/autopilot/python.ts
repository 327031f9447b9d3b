/** Values in Python's notation. Autopilot's replies are printed by Python, and its users parse them. */

/** `repr` of a text. Covers the characters that can occur in node names, URLs and our own texts. */
const repr = (text: string): string => {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`
}

export const reprList = (texts: readonly string[]): string => `[${texts.map(repr).join(', ')}]`

/** `str` of a float: integral values end in `.0`. */
export const float = (value: number): string =>
  Number.isNaN(value) ? 'nan' : Number.isInteger(value) ? `${value}.0` : String(value)

const WIDTH = 80

/** `pprint` of a dictionary of lists of short texts: on one line if it fits, otherwise one line per entry; keys sorted. */
export const pprint = (entries: ReadonlyMap<string, readonly string[]>): string => {
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const flat = `{${sorted.map(([key, list]) => `${repr(key)}: ${reprList(list)}`).join(', ')}}`
  if (flat.length <= WIDTH) return flat
  const rows = sorted.map(([key, list]) => {
    const indent = repr(key).length + 3
    const inline = reprList(list)
    // 1 for the comma or the brace that follows.
    const fits = inline.length <= WIDTH - indent - 1
    const text = fits ? inline : `[${list.map(repr).join(`,\n${' '.repeat(indent + 1)}`)}]`
    return `${repr(key)}: ${text}`
  })
  return `{${rows.join(',\n ')}}`
}
