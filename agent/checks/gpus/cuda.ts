/** Runs programs that use CUDA. */

import type { CheckDeps } from '../check.ts'
import { findProgram, type Output, runProgram } from '../programs.ts'

/**
 * Runs a CUDA program with the GPU order of nvidia-smi. CUDA's own order is by speed, so its GPU 0 may be another one.
 * `env` executes the program; no shell is involved.
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

/** Returns the CUDA error in the output of a program; undefined when there is none. 802: fabric manager not ready. */
export const cudaErrorOf = (text: string): string | undefined => {
  const lines = text.split('\n').map((line) => line.trim())
  const index = lines.findIndex((line) =>
    /\bcode=\d+\(|CUDA error|CUDA_ERROR_|cudaError|returned \d+$|^\[ERROR\]|^!+Invalid GPU number/i.test(
      line,
    ),
  )
  // The samples explain a number on the line after it.
  const meaning = lines[index + 1]?.startsWith('->') ? ` ${lines[index + 1]}` : ''
  return index === -1 ? undefined : `${lines[index]}${meaning}`
}
