import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Paint } from './paint.ts'

const WORDS: Partial<Record<PathState, string>> = {
  [PathState.PATH_STATE_UNSPECIFIED]: 'unmeasured',
  [PathState.PATH_STATE_UP]: 'up',
  [PathState.PATH_STATE_LOSSY]: 'lossy',
  [PathState.PATH_STATE_DOWN]: 'down',
  [PathState.PATH_STATE_STALE]: 'stale',
}

export const PATH_STATES: Record<string, PathState> = {
  up: PathState.PATH_STATE_UP,
  lossy: PathState.PATH_STATE_LOSSY,
  down: PathState.PATH_STATE_DOWN,
  stale: PathState.PATH_STATE_STALE,
}

export const pathStateWord = (state: PathState): string => WORDS[state] ?? 'unknown'

export const paintState = (state: PathState, paint: Paint): string => {
  const text = pathStateWord(state)
  if (state === PathState.PATH_STATE_UP) return paint('green', text)
  if (state === PathState.PATH_STATE_DOWN) return paint('red', text)
  return state === PathState.PATH_STATE_UNSPECIFIED ? text : paint('yellow', text)
}
