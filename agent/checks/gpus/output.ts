/** Parses the output of nvidia-smi: tables in CSV, with error messages between their lines. */

import { type FieldName, plausible } from '../../plausibility.ts'

export type Row = Readonly<Record<string, string>>

export type Table = {
  rows: Row[]
  /** GPUs that nvidia-smi cannot reach, each with its message. */
  lost: { bus: string; text: string }[]
  /** Messages that do not question the rows, such as `WARNING: infoROM is corrupted at gpu 0000:B3:00.0`. */
  warnings: string[]
  /** Lines that are neither a row nor a known message. */
  unknown: string[]
}

const WARNING = /^\s*warning\b/i

const LOST =
  /Unable to determine the device handle for GPU\s*(?:\d+:\s+)?([0-9A-F]{4,8}:[0-9A-F:]+\.\d)?|GPU is lost|fallen off the bus/i

/** Parses `--format=csv,noheader`. A row has one cell for each requested field. */
export const parseTable = (text: string, fields: readonly string[]): Table => {
  const table: Table = { rows: [], lost: [], warnings: [], unknown: [] }
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const cells = line.split(',').map((cell) => cell.trim())
    const lost = LOST.exec(line)
    if (lost) table.lost.push({ bus: lost[1] ?? '', text: line.trim() })
    else if (WARNING.test(line)) table.warnings.push(line.trim())
    else if (cells.length === fields.length)
      table.rows.push(Object.fromEntries(fields.map((field, index) => [field, cells[index]!])))
    else table.unknown.push(line.trim())
  }
  return table
}

/** Returns the field that this version of nvidia-smi does not support. */
export const unknownField = (text: string): string | undefined =>
  /Field "([^"]+)" is not a valid field to/.exec(text)?.[1]

/** Whether a cell has no value, because of the GPU, driver or permissions: `[N/A]`, `N/A`, `[Not Supported]`. */
export const isAbsent = (cell: string): boolean =>
  /^\[?(N\/A|Not Supported|Not Available|Insufficient Permissions|Not Found)\]?$/i.test(cell) || cell === ''

/** Whether a cell is that of a GPU that no longer answers. */
export const isBroken = (cell: string): boolean =>
  /^\[?(Unknown Error|GPU is lost|GPU requires reset|Reset Required|ERR!)\]?$/i.test(cell)

/** Parses the number before a unit: `512 MiB`, `37 %`; undefined when it is impossible for the field. */
export const numberIn = (name: FieldName, cell: string | undefined): number | undefined =>
  plausible(name, /^([+-]?\d+(?:\.\d+)?)(?:\s*\S+)?$/.exec(cell ?? '')?.[1])

/** Why nvidia-smi printed no table. */
export type Absence = 'no-gpu' | 'no-driver' | 'driver-mismatch' | 'no-permission' | undefined

export const absenceOf = (text: string): Absence => {
  if (/No devices were found|No devices found/i.test(text)) return 'no-gpu'
  if (/Driver\/library version mismatch/i.test(text)) return 'driver-mismatch'
  if (/Insufficient Permissions/i.test(text)) return 'no-permission'
  if (/couldn't communicate with the NVIDIA driver|Driver Not Loaded|NVML library|libnvidia-ml/i.test(text))
    return 'no-driver'
  return undefined
}

/** One GPU of `nvidia-smi -q`: values by path, such as `Remapped Rows.Pending`. */
export type Details = ReadonlyMap<string, string>

/** Parses `nvidia-smi -q`, whose indentation is the hierarchy. */
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
