/** JSON among what else a program, or a library under it, has written. */

export type Json = Record<string, unknown>

export const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

/** Messages around a document are few; one that is cut off is not tried brace by brace to its end. */
const MAX_TRIES = 8

const tryParse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The document that has one of the keys; undefined when there is none, or only a part of it. */
export const documentIn = (text: string, keys: readonly string[]): Json | undefined => {
  const starts = [...text.matchAll(/^\s*\{/gm)].slice(0, MAX_TRIES).map(({ index }) => index)
  const lineEnds = [...text.matchAll(/^[^\S\n]*\}/gm)]
    .slice(-MAX_TRIES)
    .map(({ index, 0: match }) => index + match.length)
  // A document that is printed on one line ends where the text does.
  const ends = [text.lastIndexOf('}') + 1, ...lineEnds.reverse()]
  for (const start of starts) {
    for (const end of ends) {
      const document = end > start ? tryParse(text.slice(start, end)) : undefined
      if (isObject(document) && keys.some((key) => key in document)) return document
    }
  }
  return undefined
}
