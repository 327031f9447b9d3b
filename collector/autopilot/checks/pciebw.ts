import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import {
  type AutopilotCheck,
  abortLine,
  evidenceOf,
  gpusOf,
  hasVerdict,
  isBriefed,
  isFail,
  lines,
  observation,
} from '../check.ts'
import { float } from '../python.ts'

/** GB/s with three decimals: bandwidthTest prints one, nvbandwidth two. */
const gigabytes = (bytesPerSecond: number): number => Number((bytesPerSecond / 1e9).toFixed(3))

const bandwidthOf = (result: CheckResult, gpu: string): number | undefined => {
  const value = evidenceOf(result, gpu, 'host_to_device')?.value as unknown
  return typeof value === 'number' ? gigabytes(value) : undefined
}

export const pciebw: AutopilotCheck = {
  name: 'pciebw',
  health: 'pciebw',
  isFlag: false,
  hasAllDevices: () => true,
  parameters: ({ bw }) => ({ threshold: bw }),
  text: (node, result) => {
    if (!isBriefed(result)) return lines('[[ PCIEBW ]] ABORT', abortLine(result), '')
    const briefed = '[[ PCIEBW ]] Briefings completed. Continue with PCIe Bandwidth evaluation.'
    if (!hasVerdict(result)) return lines(briefed, '[[ PCIEBW ]] ABORT', ...result.reasons)
    const values = gpusOf(result).map((gpu) => float(bandwidthOf(result, gpu) ?? Number.NaN))
    return lines(briefed, isFail(result) ? '[[ PCIEBW ]] FAIL' : 'SUCCESS', `Host  ${node}`, values.join(' '))
  },
  log: (node, result, { bw }) =>
    gpusOf(result).flatMap((gpu) => {
      const value = bandwidthOf(result, gpu)
      if (value === undefined) return []
      const low = value < bw ? `  [[ LOW PCIE -- Below expected threshold of ${bw} Gb/s ]]` : ''
      return [observation(node, `${gpu} ${float(value)}${low}`)]
    }),
  samples: (result) =>
    gpusOf(result).flatMap((deviceId) => {
      const value = bandwidthOf(result, deviceId)
      return value === undefined ? [] : [{ deviceId, value }]
    }),
}
