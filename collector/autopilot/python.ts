/** Values as Python prints them: the old replies came from Python, and people parse them. */

/** `repr` of a text, for what node names, URLs and our own words can hold. */
const repr = (text: string): string => {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`
}

export const reprList = (texts: readonly string[]): string => `[${texts.map(repr).join(', ')}]`

/** `str` of a float: a whole one keeps its `.0`. */
export const float = (value: number): string =>
  Number.isNaN(value) ? 'nan' : Number.isInteger(value) ? `${value}.0` : String(value)

const WIDTH = 80

/** `pprint` of a dictionary of lists of short texts: on one line where it fits, else one entry a line, keys sorted. */
export const pprint = (entries: ReadonlyMap<string, readonly string[]>): string => {
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const flat = `{${sorted.map(([key, list]) => `${repr(key)}: ${reprList(list)}`).join(', ')}}`
  if (flat.length <= WIDTH) return flat
  const rows = sorted.map(([key, list]) => {
    const indent = repr(key).length + 3
    const inline = reprList(list)
    // One more for the comma or the brace that follows.
    const fits = inline.length <= WIDTH - indent - 1
    const text = fits ? inline : `[${list.map(repr).join(`,\n${' '.repeat(indent + 1)}`)}]`
    return `${repr(key)}: ${text}`
  })
  return `{${rows.join(',\n ')}}`
}
