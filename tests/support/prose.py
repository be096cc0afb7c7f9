"""What plain prose is: the longest line, and phrases that readers had to read twice."""

LONGEST = 120

UNPLAIN = {
    r"\banew\b": "again, from scratch",
    r"\bin vain\b": "without success",
    r"\bby and by\b": "gradually",
    r"\bwho(so)?ever\b": "name the actor",
    r"\b(somebody|anybody|nobody|someone|anyone)\b": "name the actor: the requester, the holder, the receiver",
    r"\b(tasks?|process(es)?|kernels?|programs?|ports?|calls?|messages?|rules?) whom?\b": "a task is an it: 'that'",
    r"(?:^|[.;:!?] )(?-i:Who) (?![^.]*\?)": "name the actor",
    r"(?<!there )(?<!this )\b(is|are|was|were) no (?!longer\b|more\b)\w": "isn't a, aren't any",
    r"\b(has|have|had)n't (not|the|a|an|any|been asked|exactly)\b": "doesn't have; for a double negative: say what is so",
    r"\b(is|are|was|were|be|been) (told|asked)\b": "report, expose, request, require",
    r"\bas one would\b": "say who does it",
    r"\bnot so \w+ as\b": "less than",
}
