"""The algorithm study: do PPO, GRPO, REINFORCE++, RLOO, ReMax and DAPO shift a base about alike?

`plan` says what is run and what will be called alike, `jobs` lists the work, `work` does one piece
of it, `pool` runs the pieces in processes of their own, `timing` foretells how long it takes;
`equivalence` holds the statistics, `readings` turns finished runs into numbers, `verdicts` into
sentences, `figures` and `page` into a report. Only `work` loads torch, when it works.
"""
