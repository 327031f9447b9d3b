import { type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/** JSON lines on standard error, so that standard output stays for results. */
export const createLogger = (name: string, level: string): Logger =>
  pino({ name, level, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }))
