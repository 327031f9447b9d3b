import type { z } from 'zod'
import { CheckStatus, type Evidence } from '#proto/meshgauge/agent/v1/check.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Detected } from '../engines/detected.ts'
import type { Interfaces } from '../interfaces.ts'

/** What checks may use of the agent. */
export type CheckDeps = { clock: Clock; interfaces: Interfaces; engines: Detected }

export type Findings = { evidence: Evidence[]; reasons: string[]; rawOutput?: string }

/** A check: what it is, what it needs, and how it looks. Adding one is a file and a line in checks.ts. */
export type Check<S extends z.ZodObject = z.ZodObject> = {
  name: string
  summary: string
  /** Whether it disturbs other work on the node. */
  invasive: boolean
  budgetSeconds: number
  /** A strict schema: unknown parameters are refused. */
  parameters: S
  /** All reasons why it cannot run on this node; empty when it can. */
  requirements(deps: CheckDeps, signal: AbortSignal): Promise<string[]>
  run(deps: CheckDeps, parameters: z.output<S>, signal: AbortSignal): Promise<Findings>
}

/** Keeps the parameters' type inside one check and hides it from the list of all. */
export const defineCheck = <S extends z.ZodObject>(check: Check<S>): Check => check as unknown as Check

const SEVERITY = [
  CheckStatus.CHECK_STATUS_PASS,
  CheckStatus.CHECK_STATUS_WARN,
  CheckStatus.CHECK_STATUS_FAIL,
] as const

/** The worst of the findings; PASS when there is none. */
export const worstStatus = (evidence: readonly Evidence[]): CheckStatus =>
  SEVERITY[
    Math.max(0, ...evidence.map(({ status }) => SEVERITY.indexOf(status as (typeof SEVERITY)[number])))
  ]!
