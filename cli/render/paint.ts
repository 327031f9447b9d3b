import { stripVTControlCharacters, styleText } from 'node:util'
import stringWidth from 'string-width'

export type Style = 'red' | 'yellow' | 'green' | 'cyan' | 'dim' | 'bold'

/** Adds a style to a text, or returns the text unchanged if colours are off. */
export type Paint = (style: Style, text: string) => string

export const createPaint =
  (colour: boolean): Paint =>
  (style, text) =>
    colour ? styleText(style, text, { validateStream: false }) : text

export const noPaint: Paint = (_style, text) => text

/** Columns that text takes on the screen: colours take none, a wide character takes two. */
export const widthOf = (text: string): number => stringWidth(text)

export const padEnd = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - widthOf(text)))

export const padStart = (text: string, width: number): string =>
  ' '.repeat(Math.max(0, width - widthOf(text))) + text

/** Removes control characters from text of other machines, so that it cannot move the cursor or break a table. */
export const sanitize = (text: string): string =>
  stripVTControlCharacters(text)
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
