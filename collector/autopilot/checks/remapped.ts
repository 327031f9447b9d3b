import {
  type AutopilotCheck,
  abortLine,
  detectedLine,
  gpuFlags,
  gpusOf,
  lines,
  observation,
} from '../check.ts'

export const remapped: AutopilotCheck = {
  name: 'remapped',
  health: 'remapped',
  isFlag: true,
  hasAllDevices: () => true,
  parameters: () => ({}),
  text: (node, result) => {
    const flags = gpuFlags(result, 'pending')
    // The first line is the output of Autopilot's briefing, which is empty when it succeeds.
    if (flags.length === 0)
      return lines(abortLine(result), '', '[[ REMAPPED ROWS ]] ABORT', abortLine(result))
    const failed = flags.some(({ value }) => value === 1)
    return lines(
      '',
      '[[ REMAPPED ROWS ]] Briefings completed. Continue with remapped rows evaluation.',
      `[[ REMAPPED ROWS ]] ${failed ? 'FAIL' : 'SUCCESS'}`,
      `Host  ${node}`,
      detectedLine(gpusOf(result)),
      ...(failed ? ['FAIL'] : []),
      flags.map(({ value }) => value).join(' '),
    )
  },
  log: (node, result) =>
    gpuFlags(result, 'pending').map(({ deviceId, value }) => observation(node, `${deviceId} ${value}`)),
  samples: (result) => gpuFlags(result, 'pending'),
}
