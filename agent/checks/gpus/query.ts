import { quote } from '../../engines/program-error.ts'
import type { CheckDeps } from '../check.ts'
import {
  failureOf,
  findProgram,
  listNames,
  missing,
  type Output,
  rawOf,
  readHostFile,
  runProgram,
} from '../programs.ts'
import {
  type Absence,
  absenceOf,
  type Details,
  parseDetails,
  parseTable,
  type Table,
  unknownField,
} from './output.ts'

export const SMI = 'nvidia-smi'

const HINT = 'it comes with the NVIDIA driver'

/** Longest time: without persistence mode the driver initialises each GPU again, which takes seconds. */
const QUERY_SECONDS = 60

/** An answer of nvidia-smi. `failure` is empty when it succeeded and every line was understood. */
export type Answer = Table & { failure: string; absence: Absence; raw: string }

/** Counts the computing GPUs on the PCI bus (class 0302: 3D controller), independent of the driver. */
export const countPciGpus = async (deps: Pick<CheckDeps, 'root'>): Promise<number> => {
  const folder = 'sys/bus/pci/devices'
  const names = await listNames(deps, folder)
  const found = await Promise.all(
    names.map(async (name) => {
      const vendor = await readHostFile(deps, `${folder}/${name}/vendor`)
      const kind = vendor?.startsWith('0x10de')
        ? await readHostFile(deps, `${folder}/${name}/class`)
        : undefined
      return kind?.startsWith('0x0302') ?? false
    }),
  )
  return found.filter(Boolean).length
}

/** Returns the reasons why no GPU can be checked here, without starting the driver. */
export const smiRequirements = async (deps: CheckDeps): Promise<string[]> => {
  if (await findProgram(deps, SMI)) return []
  const count = await countPciGpus(deps)
  const gpus = count > 0 ? `, but there are ${count} NVIDIA GPUs on the PCI bus` : ''
  return [`${missing(deps, SMI, HINT)}${gpus}`]
}

/** Whether the node has GPUs, so that a missing driver is an error. */
export const hasPciGpus = async (deps: CheckDeps): Promise<boolean> => (await countPciGpus(deps)) > 0

/** The same for a check with another program: that one is optional, nvidia-smi is not. */
export const lacksDriver = async (deps: CheckDeps): Promise<boolean> =>
  (await smiRequirements(deps)).length > 0 && hasPciGpus(deps)

/** Names of the same field in different versions, the newest first. */
const ALIASES: Readonly<Record<string, string>> = {
  'clocks_event_reasons.hw_slowdown': 'clocks_throttle_reasons.hw_slowdown',
  'clocks_event_reasons.hw_thermal_slowdown': 'clocks_throttle_reasons.hw_thermal_slowdown',
  'clocks_event_reasons.hw_power_brake_slowdown': 'clocks_throttle_reasons.hw_power_brake_slowdown',
}

/**
 * Queries nvidia-smi for a table. A field that its version does not support is queried by its older name, or omitted.
 * @param query such as `--query-gpu`
 */
export const querySmi = async (
  deps: CheckDeps,
  query: string,
  fields: readonly string[],
  signal: AbortSignal,
): Promise<Answer> => {
  const path = (await findProgram(deps, SMI)) ?? SMI
  const names = new Map(fields.map((field) => [field, field]))
  const raw: string[] = []
  // Each iteration renames or removes a field, so the loop ends.
  for (;;) {
    const fields = [...names.values()].join(',')
    const output = await runProgram(
      deps,
      path,
      [`${query}=${fields}`, '--format=csv,noheader'],
      signal,
      QUERY_SECONDS,
    )
    raw.push(rawOf(output))
    const printed = rawOf(output)
    const refused = unknownField(printed)
    const field = [...names].find(([, name]) => name === refused)?.[0]
    if (refused !== undefined && field !== undefined && names.size > 1) {
      const older = ALIASES[field]
      if (older && refused !== older) names.set(field, older)
      else names.delete(field)
      continue
    }
    const absence = absenceOf(printed)
    const table = parseTable(output.stdout, [...names.keys()])
    const messages = parseTable(output.stderrTail, [...names.keys()])
    table.warnings.push(...messages.warnings)
    return { ...table, failure: failureOfTable(output, table), absence, raw: raw.join('') }
  }
}

/** NVML's error for a corrupted infoROM: the rows are complete, and the message names the GPU. */
const CORRUPTED_INFOROM = 14

/** Maximum number of lines in a message. */
const MAX_QUOTED = 5

/** Quotes each line that is not a row. */
const quoteLines = (lines: readonly string[]): string => {
  const more = lines.length > MAX_QUOTED ? `; and ${lines.length - MAX_QUOTED} more` : ''
  return lines.slice(0, MAX_QUOTED).map(quote).join('; ') + more
}

/** Returns why the table is not complete; empty when it is. */
const failureOfTable = (output: Output, { rows, unknown, warnings, lost }: Table): string => {
  const isExplained = output.exitCode === CORRUPTED_INFOROM && warnings.length > 0 && rows.length > 0
  if (output.reason !== '' && !isExplained) {
    const lines = [...warnings, ...unknown, ...lost.map(({ text }) => text)]
    if (rows.length === 0) return failureOf(output)
    return lines.length === 0 ? output.reason : `${output.reason}; it wrote: ${quoteLines(lines)}`
  }
  return unknown.length === 0 ? '' : `${SMI} wrote an unexpected row: ${quoteLines(unknown)}`
}

/** Queries all values of nvidia-smi, for those that a version does not print as a table. */
export const queryDetails = async (
  deps: CheckDeps,
  signal: AbortSignal,
): Promise<{ gpus: Details[]; raw: string }> => {
  const path = (await findProgram(deps, SMI)) ?? SMI
  const output = await runProgram(deps, path, ['-q'], signal, QUERY_SECONDS)
  return { gpus: parseDetails(output.stdout), raw: rawOf(output) }
}
