import {
  type AutopilotCheck,
  abortLine,
  detectedLine,
  gpuFlags,
  gpusOf,
  lines,
  observation,
} from '../check.ts'

export const gpupower: AutopilotCheck = {
  name: 'gpupower',
  health: 'power-slowdown',
  isFlag: true,
  hasAllDevices: () => true,
  parameters: () => ({}),
  text: (_node, result) => {
    const flags = gpuFlags(result, 'hw_slowdown')
    // The first line is the output of Autopilot's briefing, which is empty when it succeeds.
    if (flags.length === 0) return lines(abortLine(result), '[[GPU POWER]] ABORT')
    const failed = flags.some(({ value }) => value === 1)
    return lines(
      '',
      '[[GPU POWER]] Briefings completed. Continue with power cap evaluation.',
      `[GPU POWER] ${detectedLine(gpusOf(result))}`,
      `[GPU POWER] ${failed ? 'FAIL' : 'SUCCESS'}`,
      flags.map(({ value }) => value).join(' '),
    )
  },
  log: (node, result) =>
    gpuFlags(result, 'hw_slowdown').map(({ deviceId, value }) => observation(node, `${deviceId} ${value}`)),
  samples: (result) => gpuFlags(result, 'hw_slowdown'),
}
