// test/support/failure.ts — what a call failed with, for tests of error messages.
import { Failure } from "../../src/failure.ts";

/** The Failure that `call` throws. Anything else, and no throw at all, is an error of the test. */
export function failureOf(call: () => unknown): Failure {
  try {
    call();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it was expected to fail, and did not");
}

/** The same for a promise. */
export async function failureOfAsync(call: () => Promise<unknown>): Promise<Failure> {
  try {
    await call();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it was expected to fail, and did not");
}
