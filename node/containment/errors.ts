import { WeaverError } from '../../core/index.ts'

/** The machine cannot confine a process, and nobody asked for one that is not confined. */
export class ContainmentMissingError extends WeaverError {
  constructor(why: string, hint: string) {
    super('CONTAINMENT_MISSING', `Cannot contain a process on this machine: ${why}`, {
      retry: 'elsewhere',
      detail: { hint, exitCode: 125 }
    })
  }
}

/** The machine can run containers, and has no such image; none is fetched unasked. */
export class ImageMissingError extends WeaverError {
  constructor(image: string) {
    // In the message: who asked for a task on another node sees only that.
    const what = `this machine does not have it, get it there with: podman pull ${image}`
    super('CONTAINMENT_IMAGE_MISSING', `Cannot run in image '${image}': ${what}`, {
      retry: 'elsewhere',
      detail: { hint: 'images are those of the user that the kernel there runs as', exitCode: 125 }
    })
  }
}

/** A grant that containment must not or cannot give. */
export class GrantRefusedError extends WeaverError {
  constructor(grant: string, why: string) {
    super('CONTAINMENT_GRANT_REFUSED', `Cannot give grant '${grant.slice(0, 200)}': ${why}`, {
      detail: { exitCode: 125 }
    })
  }
}

/** A limit was asked for that this machine cannot hold. */
export class LimitMissingError extends WeaverError {
  constructor(limit: string, why: string) {
    super('CONTAINMENT_LIMIT_MISSING', `Cannot limit ${limit} on this machine: ${why}`, {
      retry: 'elsewhere',
      detail: { hint: 'weaver doctor says how to get control groups here', exitCode: 125 }
    })
  }
}
