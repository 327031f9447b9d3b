/** Programs that use CUDA on the GPUs. */

import type { CheckDeps } from '../check.ts'
import { findProgram, type Output, runProgram } from '../programs.ts'

/**
 * Runs a CUDA program that counts GPUs as nvidia-smi does: CUDA's own order is by speed, so that its GPU 0 may be
 * another one. The program is named to `env` as an argument; no shell is involved.
 */
export const runCuda = async (
  deps: CheckDeps,
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  deadlineSeconds: number,
): Promise<Output> => {
  const path = (await findProgram(deps, program)) ?? program
  const all = ['CUDA_DEVICE_ORDER=PCI_BUS_ID', path, ...args]
  const output = await runProgram(deps, 'env', all, signal, deadlineSeconds)
  return { ...output, reason: output.reason.replace(/^env\b/, program) }
}

/** The CUDA error that a program met; undefined when it met none. 802: the node's fabric manager is not ready. */
export const cudaErrorOf = (text: string): string | undefined => {
  const lines = text.split('\n').map((line) => line.trim())
  const index = lines.findIndex((line) =>
    /\bcode=\d+\(|CUDA error|CUDA_ERROR_|cudaError|returned \d+$|^\[ERROR\]|^!+Invalid GPU number/i.test(
      line,
    ),
  )
  // The samples say what a number means on the line after it.
  const meaning = lines[index + 1]?.startsWith('->') ? ` ${lines[index + 1]}` : ''
  return index === -1 ? undefined : `${lines[index]}${meaning}`
}
