/** Finds a JSON document between other output of a program or its libraries. */

export type Json = Record<string, unknown>

export const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

/** Maximum number of positions to try: there are few messages around a document. */
const MAX_TRIES = 8

const tryParse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Returns the document with one of the keys; undefined when there is none or it is incomplete. */
export const documentIn = (text: string, keys: readonly string[]): Json | undefined => {
  const starts = [...text.matchAll(/^\s*\{/gm)].slice(0, MAX_TRIES).map(({ index }) => index)
  const lineEnds = [...text.matchAll(/^[^\S\n]*\}/gm)]
    .slice(-MAX_TRIES)
    .map(({ index, 0: match }) => index + match.length)
  // A document on one line ends with the text.
  const ends = [text.lastIndexOf('}') + 1, ...lineEnds.reverse()]
  for (const start of starts) {
    for (const end of ends) {
      const document = end > start ? tryParse(text.slice(start, end)) : undefined
      if (isObject(document) && keys.some((key) => key in document)) return document
    }
  }
  return undefined
}
