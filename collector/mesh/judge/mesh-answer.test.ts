import { expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { createVerdict } from '../../diagnosis/verdict.ts'
import { noCounts } from '../state/paths.ts'
import { answerOfMeshes, type MeshAnswerInput } from './mesh-answer.ts'

const answerOf = (up: number, stale: number, more: Partial<MeshAnswerInput> = {}, down = 0) =>
  answerOfMeshes({
    verdicts: [],
    unobserved: [],
    leftOut: [],
    counts: {
      ...noCounts(),
      [PathState.PATH_STATE_UP]: up,
      [PathState.PATH_STATE_STALE]: stale,
      [PathState.PATH_STATE_DOWN]: down,
    },
    ...more,
  })

test.each([
  ['every path is up', answerOf(112, 0), 'healthy', 'Healthy. All 112 paths are up.'],
  [
    'one path is stale',
    answerOf(111, 1),
    'healthy',
    'No fault among the 111 of 112 paths that were observed.',
  ],
  [
    'half of the agents are cut off',
    answerOf(56, 56, { unobserved: ['h1 net0 sends', 'h2 net0 sends'] }),
    'unclear',
    'Unclear. Nobody observed h1 net0 sends, h2 net0 sends. 56 of 112 paths were observed.',
  ],
  ['less than half is observed', answerOf(55, 57), 'unclear', 'Unclear. Only 55 of 112 paths were observed.'],
  [
    'an interface is left out because of a duplicate address',
    answerOf(84, 0, { leftOut: ['h2 net1 is left out: 10.0.0.2 is on h1 net1 and h2 net1'] }),
    'unclear',
    'Unclear. h2 net1 is left out: 10.0.0.2 is on h1 net1 and h2 net1. 84 of 84 paths were observed.',
  ],
  ['there is no path', answerOf(0, 0), 'unclear', 'Unclear. No path was measured.'],
  ['a path is down without a verdict', answerOf(11, 0, {}, 1), 'bad', '1 path is bad.'],
  [
    'there is a verdict',
    answerOf(10, 2, {
      verdicts: [createVerdict({ kind: 'node', message: 'h1 is down. Nobody reaches it.' })],
    }),
    'bad',
    'h1 is down.',
  ],
])('the answer when %s', (_, judgement, state, headline) => {
  expect([judgement.state, judgement.headline]).toEqual([state, headline])
  expect(judgement.exitCode).toBe({ healthy: 0, bad: 1, unclear: 3 }[judgement.state])
})
