import { type CheckResult, CheckStatus, type Evidence } from '#proto/meshgauge/agent/v1/check.ts'

/** A value of the metric. `deviceId` is the index of a GPU, the name of a peer, or empty. */
export type Sample = { deviceId: string; value: number }

/** The parameters of a request. */
export type RequestParameters = {
  /** Level of dcgm, 1 to 4. */
  level: number
  /** PCIe threshold in GB/s. */
  bw: number
  /** The targets of ping; absent for all peers. */
  targets?: readonly { node: string; address: string; interface: string }[]
}

/**
 * A check as IBM Autopilot presents it: its parameters, text, log lines and metric. A new one needs a file in checks/ and a
 * line in checks.ts.
 */
export type AutopilotCheck = {
  /** The value of `check=`, and the name of the agents' check. */
  name: string
  /** The label `health` of the metric. */
  health: string
  /** Whether the metric is 0 or 1. A 1 remains until its finding is cleared; a measured value is always the last one. */
  isFlag: boolean
  /** Whether a result of a run with these parameters contains all devices. Then the others do not exist any more. */
  hasAllDevices(parameters: Readonly<Record<string, unknown>>): boolean
  parameters(request: RequestParameters): Record<string, unknown>
  /** The text that Autopilot's check prints, byte for byte, except where that was a mistake (see README.md). */
  text(node: string, result: CheckResult): string
  /** The lines that Autopilot's daemon logs. */
  log(node: string, result: CheckResult, request: RequestParameters): string[]
  /** Empty when the check could not be carried out. Then the metric does not change. */
  samples(result: CheckResult): Sample[]
}

const { CHECK_STATUS_PASS, CHECK_STATUS_WARN, CHECK_STATUS_FAIL, CHECK_STATUS_SKIPPED, CHECK_STATUS_ERROR } =
  CheckStatus

/** Whether a check passed, warned or failed. Otherwise its text is an ABORT. */
export const hasVerdict = ({ status }: CheckResult): boolean =>
  status === CHECK_STATUS_PASS || status === CHECK_STATUS_WARN || status === CHECK_STATUS_FAIL

export const isFail = ({ status }: { status: CheckStatus }): boolean => status === CHECK_STATUS_FAIL
export const isError = ({ status }: { status: CheckStatus }): boolean => status === CHECK_STATUS_ERROR

/** The indices of the node's GPUs, sorted. */
export const gpusOf = ({ evidence }: CheckResult): string[] =>
  [...new Set(evidence.map(({ subject }) => subject).filter((subject) => /^\d+$/.test(subject)))].sort(
    (a, b) => Number(a) - Number(b),
  )

export const evidenceOf = ({ evidence }: CheckResult, subject: string, name: string): Evidence | undefined =>
  evidence.find((each) => each.subject === subject && each.name === name)

/** 1 for each GPU that failed, 0 for each other one that was checked. */
export const gpuFlags = (result: CheckResult, name: string): Sample[] =>
  gpusOf(result).flatMap((deviceId) => {
    const ofGpu = result.evidence.filter(({ subject }) => subject === deviceId)
    if (ofGpu.some(isFail)) return [{ deviceId, value: 1 }]
    const checked = ofGpu.find((each) => each.name === name)
    return checked === undefined || isError(checked) ? [] : [{ deviceId, value: 0 }]
  })

/** 1 when the node as a whole failed, 0 when it did not. */
export const nodeFlag = (result: CheckResult, deviceId: string): Sample[] =>
  hasVerdict(result) ? [{ deviceId, value: isFail(result) ? 1 : 0 }] : []

export const lines = (...texts: string[]): string => texts.map((text) => `${text}\n`).join('')

export const detectedLine = (gpus: readonly string[]): string =>
  `Detected NVIDIA GPU: ${gpus.map((gpu) => `${gpu} `).join('')}Total: ${gpus.length}`

/** Autopilot's texts for the reasons of the agents. */
const ABORT_TEXTS: readonly [RegExp, string][] = [
  [/nvidia-smi is not installed/, 'nvidia-smi not present'],
  [/MIG is enabled/, 'MIG enabled'],
  [/dcgmi is not installed/, 'dcgmi failed to start'],
  [/nvidia-smi|NVIDIA (driver|GPU)/, 'nvidia-smi failed to start'],
]

/** Why a check was not carried out, in Autopilot's words where it has some. */
export const abortLine = (result: CheckResult): string => {
  const reason = result.reasons.join('; ') || 'the check gave no reason'
  const known = ABORT_TEXTS.find(([pattern]) => pattern.test(reason))
  return `!! ${known ? known[1] : reason}. ABORT.`
}

/** Whether any GPU was checked. Then Autopilot's first step, the "briefing", is complete. */
export const isBriefed = (result: CheckResult): boolean =>
  hasVerdict(result) || (result.status !== CHECK_STATUS_SKIPPED && gpusOf(result).length > 0)

export const observation = (node: string, rest: string): string => `Observation: ${node} ${rest}`
