import type { z } from 'zod'
import { CheckStatus, type Evidence } from '#proto/meshgauge/agent/v1/check.ts'
import type { Clock } from '../../lib/clock.ts'
import type { DetectedEngines } from '../engines/detected-engines.ts'
import type { Interfaces } from '../interfaces.ts'
import type { Processes } from '../processes.ts'

/** What checks may use of the agent. */
export type CheckDeps = {
  clock: Clock
  interfaces: Interfaces
  engines: DetectedEngines
  processes: Processes
  /** Paths of programs, by name, where they are not on PATH. */
  programs: Readonly<Record<string, string>>
  /** Folders in which programs are looked for. */
  path: readonly string[]
  /** Where /proc, /sys and /dev are; another place only in tests. */
  root: string
  /** @throws OperatingError PEER_NOT_ALLOWED for an address that this agent may not measure */
  checkPeers(addresses: readonly string[]): void
}

export type Findings = {
  evidence: Evidence[]
  reasons: string[]
  rawOutput?: string
  /** What the evidence cannot say: that the check does not apply here, or could not be carried out. */
  status?: CheckStatus
}

/** A check: what it is, what it needs, and how it looks. Adding one is a file and a line in checks.ts. */
export type Check<S extends z.ZodObject = z.ZodObject> = {
  name: string
  summary: string
  /** Whether it disturbs other work on the node whatever its parameters. */
  invasive: boolean
  /** The longest that it may take; what it started is ended then. */
  budgetSeconds: number
  /** The budget under these parameters, where it is a shorter one. */
  budgetFor?(parameters: z.output<S>): number
  /** What it needs for itself; checks with the same claim do not run at the same time. Without one: its own name. */
  claim?: string
  /** A strict schema: unknown parameters are refused. */
  parameters: S
  /** All reasons why it cannot run on this node; empty when it can. Starts no program that may hang. */
  requirements(deps: CheckDeps, signal: AbortSignal): Promise<string[]>
  /** Whether the node has what the check is about, so that unmet requirements are an error and not a skip. */
  concerns?(deps: CheckDeps): Promise<boolean>
  run(deps: CheckDeps, parameters: z.output<S>, signal: AbortSignal): Promise<Findings>
}

/** Keeps the parameters' type inside one check and hides it from the list of all. */
export const defineCheck = <S extends z.ZodObject>(check: Check<S>): Check => check as unknown as Check

/** From good to bad. A check that could not look is worse than one that saw something odd, and better than a fault. */
const SEVERITY: readonly CheckStatus[] = [
  CheckStatus.CHECK_STATUS_PASS,
  CheckStatus.CHECK_STATUS_WARN,
  CheckStatus.CHECK_STATUS_ERROR,
  CheckStatus.CHECK_STATUS_FAIL,
]

/** The worst of the findings; PASS when there is none, SKIPPED when none of them could be looked at. */
export const worstStatus = (evidence: readonly Evidence[]): CheckStatus => {
  if (evidence.length > 0 && evidence.every(({ status }) => status === CheckStatus.CHECK_STATUS_SKIPPED))
    return CheckStatus.CHECK_STATUS_SKIPPED
  return SEVERITY[Math.max(0, ...evidence.map(({ status }) => SEVERITY.indexOf(status)))]!
}
