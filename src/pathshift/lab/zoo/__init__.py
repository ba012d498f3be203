"""The tiny models of the zoo: what they are made of, how they are built, what is measured of them.

Two families: `compose` (strings of letters through named functions, not defined in the question)
and `countdown` with five or six numbers. `recipe` says what each model is made from, `building`
makes it, `pack` gives it the form it is kept in, `measuring` gives the card its numbers. The
finished models lie in `pathshift.models.zoo`. Only `building`, `pack`, `measuring` and `exposures`
load torch.
"""
