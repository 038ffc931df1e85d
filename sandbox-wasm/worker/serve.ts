// The worker's side of the pipe: requests on stdin, answers on stdout, one at a time.

import { encodeFrame, FrameReader } from './frames.ts'

/** Answers until the kernel closes the pipe. A request that is malformed ends the process. */
export async function serve(
  frameBytesMax: number,
  answer: (request: unknown) => unknown
): Promise<void> {
  const reader = new FrameReader(frameBytesMax)
  const { stdin, stdout } = process
  for await (const chunk of stdin) {
    for (const request of reader.push(chunk)) stdout.write(encodeFrame(await answer(request)))
  }
}
