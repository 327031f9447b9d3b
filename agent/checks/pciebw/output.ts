/** Parses the host-to-GPU rates of bandwidthTest and nvbandwidth. */

import { plausible, plausibleIn } from '../../plausibility.ts'
import { documentIn, isObject } from '../gpus/document.ts'

const UNIT_BYTES: Record<string, number> = { 'GB/s': 1e9, 'MB/s': 1e6 }

/** For a GPU that CUDA does not see, bandwidthTest measures GPU 0 and reports success. */
const WRONG_GPU = /^!+Invalid GPU number \d+ given/m

/**
 * Parses `bandwidthTest --htod --memory=pinned --csv`: bytes per second of the largest transfer.
 * Undefined when there is no complete value for the requested GPU.
 */
export const parseBandwidthTest = (text: string): number | undefined => {
  if (WRONG_GPU.test(text)) return undefined
  // A value is complete when its unit follows.
  const pattern =
    /^\s*bandwidthTest-H2D-Pinned, Bandwidth = (\d+(?:\.\d+)?) ([GM]B\/s)(?:.*\bSize = (\d+) bytes)?/gm
  const results = [...text.matchAll(pattern)].flatMap(([, amount, unit, size]) => {
    const rate = plausibleIn('bandwidthtest.rate', amount, UNIT_BYTES[unit!]!)
    const bytes = plausible('bandwidthtest.size', size ?? 0)
    return rate === undefined || bytes === undefined
      ? []
      : [{ bytesPerSecond: Math.round(rate), size: bytes }]
  })
  return results.reduce<(typeof results)[number] | undefined>(
    (best, result) => (best === undefined || result.size >= best.size ? result : best),
    undefined,
  )?.bytesPerSecond
}

const TEST = 'host_to_device_memcpy_ce'

export type Nvbandwidth =
  /** Bytes per second by column, one for each GPU; undefined where it was not measured. */
  { kind: 'measured'; bytesPerSecond: (number | undefined)[] } | { kind: 'not-measured'; reason: string }

const cellOf = (cell: unknown): number | undefined => {
  const value = plausible('nvbandwidth.rate', cell)
  return value === undefined ? undefined : Math.round(value * 1e9)
}

/** Parses `nvbandwidth -t host_to_device_memcpy_ce -j`; undefined when there is no document. */
const parseJson = (text: string): Nvbandwidth | undefined => {
  const root = documentIn(text, ['nvbandwidth'])?.nvbandwidth
  if (!isObject(root)) return undefined
  const cases = Array.isArray(root.testcases) ? root.testcases : []
  const test = cases.find((candidate) => isObject(candidate) && candidate.name === TEST)
  const error = [isObject(test) ? test.error : undefined, root.error].find((text) => typeof text === 'string')
  if (error !== undefined) return { kind: 'not-measured', reason: String(error) }
  if (!isObject(test)) return { kind: 'not-measured', reason: `it did not run ${TEST}` }
  const matrix: unknown = Array.isArray(test.bandwidth_matrix) ? test.bandwidth_matrix[0] : undefined
  if (test.status !== 'Passed' || !Array.isArray(matrix))
    return { kind: 'not-measured', reason: `${TEST} ended as ${String(test.status)}` }
  return { kind: 'measured', bytesPerSecond: matrix.map(cellOf) }
}

/** Parses the table of versions without `-j`: a header of columns, then one row for the CPU. */
const parseTable = (text: string): Nvbandwidth | undefined => {
  const start = text.indexOf(`Running ${TEST}`)
  if (start === -1) return undefined
  const lines = text.slice(start).split('\n')
  const sum = lines.findIndex((line) => line.startsWith(`SUM ${TEST}`))
  const row = lines.find((line, index) => index > 2 && index < sum && /^\s*0\s+\S/.test(line))
  if (!row) return { kind: 'not-measured', reason: `${TEST} did not finish` }
  return { kind: 'measured', bytesPerSecond: row.trim().split(/\s+/).slice(1).map(cellOf) }
}

export const parseNvbandwidth = (text: string): Nvbandwidth | undefined => parseJson(text) ?? parseTable(text)
