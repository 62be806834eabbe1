/** Writes docs/k3s.md from what `make test-k3s` recorded; with `--check` only says whether it is stale. */
import { writeOrCheck } from "./generated.ts";
import { DOCUMENT_FILE, documentOf } from "./k3s/document.ts";
import { PROOF_FILE, RUN_FILE, readProof, readRun } from "./k3s/record.ts";

const text = documentOf({ proof: readProof(PROOF_FILE), run: readRun(RUN_FILE) });
process.exit(await writeOrCheck([{ path: DOCUMENT_FILE, text }]));
