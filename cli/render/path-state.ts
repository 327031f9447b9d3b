/** Words and colours for the states of a path in the ping mesh. */

import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { enumWords } from './enum-words.ts'
import type { Paint } from './paint.ts'

const WORDS = enumWords(PathState, 'PATH_STATE_')

/** Every state that a path can be in, by its word. */
export const PATH_STATES: Readonly<Record<string, PathState>> = Object.fromEntries(
  [...WORDS].map(([state, word]) => [word, state as PathState]),
)

export const pathStateWord = (state: PathState): string =>
  state === PathState.PATH_STATE_UNSPECIFIED ? 'unmeasured' : (WORDS.get(state) ?? 'unknown')

export const paintState = (state: PathState, paint: Paint): string => {
  const text = pathStateWord(state)
  if (state === PathState.PATH_STATE_UP) return paint('green', text)
  if (state === PathState.PATH_STATE_DOWN) return paint('red', text)
  return state === PathState.PATH_STATE_UNSPECIFIED ? text : paint('yellow', text)
}
