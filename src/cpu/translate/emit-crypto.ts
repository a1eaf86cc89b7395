// src/cpu/translate/emit-crypto.ts — x86-64 for the encodings of a64/crypto.ts. All interpreted as yet.
import type { Handlers } from "../a64/pattern.ts";
import type { crypto } from "../a64/crypto.ts";
import { interpreted, type Translator } from "./translator.ts";

export const emitCrypto: Handlers<typeof crypto, Translator, boolean | void> = {
  AESE: interpreted,
  AESD: interpreted,
  AESMC: interpreted,
  AESIMC: interpreted,
  SHA1C: interpreted,
  SHA1P: interpreted,
  SHA1M: interpreted,
  SHA1SU0: interpreted,
  SHA256H: interpreted,
  SHA256H2: interpreted,
  SHA256SU1: interpreted,
  SHA1H: interpreted,
  SHA1SU1: interpreted,
  SHA256SU0: interpreted,
};
