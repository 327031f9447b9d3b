import { type AutopilotCheck, briefing, detected, gpuFlags, gpusOf, lines, observation } from '../check.ts'

export const remapped: AutopilotCheck = {
  name: 'remapped',
  health: 'remapped',
  isFlag: true,
  hasAllDevices: () => true,
  parameters: () => ({}),
  text: (node, result) => {
    const flags = gpuFlags(result, 'pending')
    // The old script prints what its briefing said, and an empty line when that was nothing.
    if (flags.length === 0) return lines(briefing(result), '', '[[ REMAPPED ROWS ]] ABORT', briefing(result))
    const failed = flags.some(({ value }) => value === 1)
    return lines(
      '',
      '[[ REMAPPED ROWS ]] Briefings completed. Continue with remapped rows evaluation.',
      `[[ REMAPPED ROWS ]] ${failed ? 'FAIL' : 'SUCCESS'}`,
      `Host  ${node}`,
      detected(gpusOf(result)),
      ...(failed ? ['FAIL'] : []),
      flags.map(({ value }) => value).join(' '),
    )
  },
  log: (node, result) =>
    gpuFlags(result, 'pending').map(({ deviceId, value }) => observation(node, `${deviceId} ${value}`)),
  samples: (result) => gpuFlags(result, 'pending'),
}
