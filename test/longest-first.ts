import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * The slowest test files, slowest first. They start first, so that the last worker is not busy with one of them long after
 * the others. Used in a new clone; later, vitest sorts by the durations of its last run.
 */
const LONGEST = [
  'end-to-end/always-on-alerts',
  'end-to-end/schedules',
  'protocol/mesh',
  'end-to-end/traffic',
  'end-to-end/mesh',
  'end-to-end/interrupted-runs',
  'simulation/mesh',
  'end-to-end/runs',
  'end-to-end/health',
  'end-to-end/local-evidence',
  'end-to-end/clock',
  'protocol/host',
  'end-to-end/alerts',
  'lab/faults',
  'readme/readme',
  'protocol/sustained',
  'end-to-end/profiles',
  'otlp/export',
  'lab/agent-mesh',
]

const rankOf = ({ moduleId }: TestSpecification): number => {
  const rank = LONGEST.findIndex((file) => moduleId.endsWith(`/test/${file}.test.ts`))
  return rank < 0 ? LONGEST.length : rank
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    if (sorted.some((file) => this.ctx.cache.getTestSpecificationResult(file))) return sorted
    const place = new Map(sorted.map((file, index) => [file, index]))
    const groupOf = ({ project }: TestSpecification) => project.config.sequence.groupOrder
    return sorted.sort(
      (a, b) => groupOf(a) - groupOf(b) || rankOf(a) - rankOf(b) || place.get(a)! - place.get(b)!,
    )
  }
}
