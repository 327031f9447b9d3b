/** What nvidia-smi prints: tables in CSV, and complaints between their lines. */

export type Row = Readonly<Record<string, string>>

export type Table = {
  rows: Row[]
  /** GPUs that nvidia-smi lists but cannot reach, each with its words. */
  lost: { bus: string; text: string }[]
  /** Lines that are neither a row nor a known complaint. */
  unknown: string[]
}

const LOST =
  /Unable to determine the device handle for GPU\s*(?:\d+:\s+)?([0-9A-F]{4,8}:[0-9A-F:]+\.\d)?|GPU is lost|fallen off the bus/i

/** `--format=csv,noheader`: as many cells as fields were asked for, or it is not a row. */
export const parseTable = (text: string, fields: readonly string[]): Table => {
  const table: Table = { rows: [], lost: [], unknown: [] }
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const cells = line.split(',').map((cell) => cell.trim())
    const lost = LOST.exec(line)
    if (lost) table.lost.push({ bus: lost[1] ?? '', text: line.trim() })
    else if (cells.length === fields.length)
      table.rows.push(Object.fromEntries(fields.map((field, index) => [field, cells[index]!])))
    else table.unknown.push(line.trim())
  }
  return table
}

/** The field that this version of nvidia-smi does not know. */
export const unknownField = (text: string): string | undefined =>
  /Field "([^"]+)" is not a valid field to/.exec(text)?.[1]

/** Cells without a value: the GPU, the driver or the rights do not give one. `[N/A]`, `N/A`, `[Not Supported]`. */
export const isAbsent = (cell: string): boolean =>
  /^\[?(N\/A|Not Supported|Not Available|Insufficient Permissions|Not Found)\]?$/i.test(cell) || cell === ''

/** Cells of a GPU that does not answer any more. */
export const isBroken = (cell: string): boolean =>
  /^\[?(Unknown Error|GPU is lost|GPU requires reset|Reset Required|ERR!)\]?$/i.test(cell)

/** The number in front of a unit: `512 MiB`, `37 %`. */
export const numberIn = (cell: string | undefined): number | undefined => {
  const text = /^(\d+(?:\.\d+)?)(?:\s*\S+)?$/.exec(cell ?? '')?.[1]
  return text === undefined ? undefined : Number(text)
}

/** Why nvidia-smi gave nothing at all. */
export type Absence = 'no-gpu' | 'no-driver' | 'driver-mismatch' | 'no-permission' | undefined

export const absenceOf = (text: string): Absence => {
  if (/No devices were found|No devices found/i.test(text)) return 'no-gpu'
  if (/Driver\/library version mismatch/i.test(text)) return 'driver-mismatch'
  if (/Insufficient Permissions/i.test(text)) return 'no-permission'
  if (/couldn't communicate with the NVIDIA driver|Driver Not Loaded|NVML library|libnvidia-ml/i.test(text))
    return 'no-driver'
  return undefined
}

/** One GPU of `nvidia-smi -q`: values by their path, such as `Remapped Rows.Pending`. */
export type Details = ReadonlyMap<string, string>

/** `nvidia-smi -q`, which says by its indentation what belongs to what. */
export const parseDetails = (text: string): Details[] => {
  const gpus: Map<string, string>[] = []
  let path: { indent: number; name: string }[] = []
  for (const line of text.split('\n')) {
    const [, blanks = '', name = '', value] = /^(\s*)(\S.*?)(?:\s+: (.*))?$/.exec(line) ?? []
    if (blanks === '' && /^GPU [0-9A-F]+:/i.test(name)) gpus.push(new Map())
    path = path.filter(({ indent }) => indent < blanks.length && indent > 0)
    if (value === undefined) path.push({ indent: blanks.length, name })
    else gpus.at(-1)?.set([...path.map((section) => section.name), name].join('.'), value.trim())
  }
  return gpus
}
