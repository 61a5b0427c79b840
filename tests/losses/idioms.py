"""Losses and counters as people write them in their own loops, each a function of (output, y)."""

import torch
import torch.nn.functional as F

C = 4
TABLE = torch.tensor([0.5, 2.0, 1.0, 1.5], dtype=torch.float64)
CENTERS = torch.arange(16.0, dtype=torch.float64).view(4, 4) / 8 - 1
TEACHER = torch.tensor([0.3, -0.2, 0.9, 0.1], dtype=torch.float64)


def each(o, y):
    return F.cross_entropy(o, y, reduction="none")


def hot(y):
    return F.one_hot(y, C).double()


def rows(y):
    return torch.arange(len(y))


# Focal losses.
def focal(o, y):
    ce = each(o, y)
    return ((1 - torch.exp(-ce)) ** 2 * ce).mean()


def focal_with_alpha(o, y):
    ce = each(o, y)
    return (TABLE[y] * (1 - torch.exp(-ce)) ** 2 * ce).mean()


def focal_by_gather(o, y):
    log_p = o.log_softmax(1).gather(1, y.view(-1, 1)).view(-1)
    alpha = TABLE.gather(0, y.data.view(-1))
    return (-((1 - log_p.exp()) ** 2) * log_p * alpha).mean()


def focal_by_one_hot(o, y):
    p = (o.softmax(1) * hot(y)).sum(1).clamp(1e-7, 1 - 1e-7)
    return -((1 - p).pow(2) * p.log()).mean()


def focal_of_labels(o, y):
    p = torch.sigmoid(o)
    p_t = p * y + (1 - p) * (1 - y)
    alpha = 0.25 * y + 0.75 * (1 - y)
    bce = F.binary_cross_entropy_with_logits(o, y, reduction="none")
    return (alpha * (1 - p_t) ** 2 * bce).mean()


def focal_by_where(o, y):
    p = torch.sigmoid(o)
    return torch.where(y == 1, -((1 - p) ** 2) * p.log(), -(p**2) * (1 - p).log()).sum(1).mean()


def focal_normalised_by_positives(o, y):
    bce = F.binary_cross_entropy_with_logits(o, y, reduction="none")
    return bce.sum() / (y > 0).sum().clamp(min=1)


# Label smoothing by hand.
def smoothing(o, y):
    log_p = o.log_softmax(-1)
    nll = -log_p.gather(dim=-1, index=y.unsqueeze(1)).squeeze(1)
    return (0.9 * nll - 0.1 * log_p.mean(-1)).mean()


def smoothing_by_scatter(o, y):
    soft = torch.full_like(o, 0.1 / 3).scatter_(1, y.unsqueeze(1), 0.9)
    return torch.mean(torch.sum(-soft * o.log_softmax(1), dim=1))


def smoothing_by_scattered_data(o, y):
    soft = o.data.clone()
    soft.fill_(0.1 / 3)
    soft.scatter_(1, y.data.unsqueeze(1), 0.9)
    return F.kl_div(o.log_softmax(1), soft, reduction="batchmean")


def smoothing_of_one_hot(o, y):
    return F.cross_entropy(o, hot(y) * 0.9 + 0.1 / C)


# Cross-entropy by other words.
def by_einsum(o, y):
    return -torch.einsum("bc,bc->b", o.log_softmax(1), hot(y)).mean()


def by_bmm(o, y):
    return -torch.bmm(o.log_softmax(1).unsqueeze(1), hot(y).unsqueeze(2)).mean()


def by_identity(o, y):
    return -(o.log_softmax(1) * torch.eye(C, dtype=o.dtype)[y]).sum() / len(y)


def by_rows(o, y):
    return -o.log_softmax(1)[rows(y), y].mean()


def by_range(o, y):
    return -o.log_softmax(1)[range(len(y)), y].mean()


def by_mask(o, y):
    return -o.log_softmax(1)[hot(y).bool()].mean()


def by_masked_select(o, y):
    return -o.log_softmax(1).masked_select(hot(y).bool()).mean()


def by_arange(o, y):
    mask = torch.arange(C).expand(len(y), C).eq(y.unsqueeze(1).expand(len(y), C))
    return -(o.log_softmax(1) * mask.double()).clamp(-1e12, 1e12).sum() / len(y)


def by_loop(o, y):
    return -sum(o[i].log_softmax(0)[y[i]] for i in range(len(y))) / len(y)


def by_zip(o, y):
    return sum(F.cross_entropy(a[None], b[None]) for a, b in zip(o, y, strict=True)) / len(y)


def by_distribution(o, y):
    return -torch.distributions.Categorical(logits=o).log_prob(y).mean()


def bce_of_one_hot(o, y):
    return F.binary_cross_entropy_with_logits(o, hot(y), reduction="sum") / len(y)


def poly(o, y):
    p = (hot(y) * o.softmax(-1)).sum(-1)
    return (each(o, y) + 2 * (1 - p)).mean()


def poly_focal(o, y):
    ce = each(o, y)
    p = torch.exp(-ce)
    return ((1 - p) ** 2 * ce + 2 * (1 - p) ** 3).mean()


def generalised(o, y):
    p = o.softmax(1)[rows(y), y]
    return ((1 - p**0.7) / 0.7).mean()


def symmetric(o, y):
    log_hot = torch.log(torch.clamp(hot(y), min=1e-4, max=1.0))
    return F.cross_entropy(o, y) - (o.softmax(1) * log_hot).sum(1).mean()


def complement(o, y):
    p = o.softmax(1)
    own = p.gather(1, y.unsqueeze(1))
    rest = p / (1 - own + 1e-7)
    others = torch.ones(len(y), C, dtype=o.dtype).scatter_(1, y.view(-1, 1), 0)
    return (rest * (rest + 1e-10).log() * others).sum(1).mean()


def adjusted_logits(o, y):
    return F.cross_entropy(o + TABLE.log(), y)


# Losses of the hardest samples.
def hardest_by_topk(o, y):
    return each(o, y).topk(2).values.mean()


def hardest_by_sort(o, y):
    return each(o, y).sort(descending=True)[0][:2].mean()


def hardest_by_argsort(o, y):
    ce = each(o, y)
    return ce[ce.argsort()[-2:]].mean()


def hardest_by_threshold(o, y):
    ce = each(o, y)
    return ce[ce > 0.7].mean()


def hardest_by_mask(o, y):
    ce = each(o, y)
    hard = (ce > 0.7).double()
    return (ce * hard).sum() / (hard.sum() + 1e-9)


def hardest_by_max(o, y):
    return each(o, y).max()


def hardest_pixels(o, y):
    p = o.softmax(1).gather(1, y.unsqueeze(1)).squeeze(1)
    return F.cross_entropy(o, torch.where(p < 0.7, y, torch.full_like(y, -100)))


def hardest_by_quantile(o, y):
    ce = each(o, y)
    return ce[ce >= torch.quantile(ce, 0.5)].mean()


def weighted_by_difficulty(o, y):
    ce = each(o, y)
    return (ce.detach() / ce.detach().mean() * ce).mean()


def weighted_by_softmax_over_batch(o, y):
    ce = each(o, y)
    return (ce * ce.detach().softmax(0)).sum()


def penalised_by_deviation(o, y):
    ce = each(o, y)
    return ce.mean() + 0.1 * ce.std()


def flooded(o, y):
    return (F.cross_entropy(o, y) - 0.5).abs() + 0.5


# Weights of classes from the batch.
def balanced_by_bincount(o, y):
    return (each(o, y) / torch.bincount(y, minlength=C)[y]).mean()


def balanced_by_weight_of_bincount(o, y):
    return F.cross_entropy(o, y, weight=1 / (1.0 + torch.bincount(y, minlength=C).double()))


def balanced_by_unique(o, y):
    classes, counts = y.unique(return_counts=True)
    return sum((each(o, y) * (y == c)).sum() / n for c, n in zip(classes, counts, strict=True))


def balanced_by_loop(o, y):
    total = 0
    for c in range(C):
        is_c = (y == c).double()
        total = total + (each(o, y) * is_c).sum() / is_c.sum().clamp(min=1e-9)
    return total / C


def balanced_by_one_hot(o, y):
    counts = hot(y).sum(0)
    return (each(o, y) * (1 / counts.clamp(min=1e-9))[y]).mean()


def balanced_by_effective_number(o, y):
    weights = (1 - 0.9) / (1 - 0.9 ** torch.tensor([9.0, 4.0, 5.0, 7.0], dtype=o.dtype))
    weights = (weights.unsqueeze(0).repeat(len(y), 1) * hot(y)).sum(1, keepdim=True).repeat(1, C)
    return F.binary_cross_entropy(o.softmax(1), hot(y), weight=weights)


def balanced_positives(o, y):
    positives, negatives = y.sum(), (1 - y).sum()
    beta = negatives / (positives + negatives)
    weight = torch.where(y == 1, beta, 1 - beta)
    return F.binary_cross_entropy_with_logits(o, y, weight=weight)


def balanced_by_pos_weight(o, y):
    pos_weight = (1 - y).sum() / y.sum().clamp(min=1)
    return F.binary_cross_entropy_with_logits(o, y, pos_weight=pos_weight)


def normalised_by_weights(o, y):
    weights = TABLE[y]
    return (weights * each(o, y)).sum() / weights.sum()


# Metric learning.
def center(o, y):
    return (o - CENTERS[y]).pow(2).sum(1).mean()


def center_by_index_select(o, y):
    return (o - CENTERS.index_select(0, y)).pow(2).sum(dim=1).clamp(1e-12, 1e12).mean()


def center_by_distances(o, y):
    distances = torch.cdist(o, CENTERS).pow(2)
    mask = y.unsqueeze(1).expand(len(y), C).eq(torch.arange(C).expand(len(y), C))
    return (distances * mask.double()).clamp(1e-12, 1e12).sum() / len(y)


def center_by_embedding(o, y):
    return (1 - F.cosine_similarity(o, F.embedding(y, CENTERS))).mean()


def triplet_of_the_hardest(o, y):
    same = y.unsqueeze(0) == y.unsqueeze(1)
    distances = torch.cdist(o, o)
    far = (distances * same).max(1)[0]
    near = (distances + 1e3 * same).min(1)[0]
    return F.relu(far - near + 0.3).mean()


def triplet_by_expand(o, y):
    n = len(y)
    same = y.expand(n, n).eq(y.expand(n, n).t())
    distances = torch.cdist(o, o)
    return torch.stack([distances[i][same[i]].max() for i in range(n)]).mean()


def contrastive_of_all_pairs(o, y):
    y = y.contiguous().view(-1, 1)
    mask = torch.eq(y, y.T).double()
    log_p = (o @ o.T).log_softmax(1)
    return -((mask * log_p).sum(1) / mask.sum(1)).mean()


def contrastive_with_rolled(o, y):
    return ((y == y.roll(1)).double() * (o - o.roll(1, 0)).square().sum(1)).mean()


def contrastive_with_flipped(o, y):
    same = (y == y.flip(0)).double()
    distance = (o - o.flip(0)).square().sum(1)
    return (same * distance + (1 - same) * F.relu(1 - distance)).mean()


# Margins.
def cos_face(o, y):
    return F.cross_entropy(3 * (o - 0.35 * hot(y)), y)


def arc_face_by_where(o, y):
    angle = torch.acos(torch.tanh(o).clamp(-0.99, 0.99))
    return F.cross_entropy(3 * torch.where(hot(y).bool(), torch.cos(angle + 0.5), torch.tanh(o)), y)


def arc_face_by_scatter(o, y):
    one_hot = torch.zeros(o.size(), dtype=o.dtype)
    one_hot.scatter_(1, y.view(-1, 1).long(), 1)
    cosine = torch.tanh(o)
    return F.cross_entropy(3 * ((one_hot * (cosine - 0.4)) + ((1.0 - one_hot) * cosine)), y)


def margin_by_assignment(o, y):
    margins = torch.zeros_like(o)
    margins[rows(y), y] = 0.35
    return F.cross_entropy(o - margins, y)


def margin_by_subtraction(o, y):
    o = o.clone()
    o[rows(y), y] -= 0.35
    return F.cross_entropy(o, y)


def margins_of_rare_classes(o, y):
    index = torch.zeros_like(o, dtype=torch.uint8).scatter_(1, y.data.view(-1, 1), 1)
    margin = torch.matmul(TABLE[None, :], index.double().transpose(0, 1)).view(-1, 1)
    return F.cross_entropy(torch.where(index.bool(), o - margin, o), y)


def hinge_of_all(o, y):
    margins = (o - o[rows(y), y].unsqueeze(1) + 1).clamp(min=0)
    margins[rows(y), y] = 0
    return margins.sum(1).mean()


def hinge_by_gather(o, y):
    own = o.gather(1, y.unsqueeze(1))
    return ((1 + o - own).clamp(min=0) * (1 - hot(y))).sum(1).mean()


# Several terms, several targets.
def distilled(o, y):
    soft = F.kl_div(
        (o / 2).log_softmax(1), (TEACHER.expand_as(o) / 2).softmax(1), reduction="batchmean"
    )
    return 0.7 * 4 * soft + 0.3 * F.cross_entropy(o, y)


def distilled_where_teacher_is_right(o, y):
    teacher = TEACHER.expand_as(o)
    right = (teacher.argmax(1) == y).double()
    kl = F.kl_div(o.log_softmax(1), teacher.softmax(1), reduction="none").sum(1)
    return (right * kl + (1 - right) * each(o, y)).mean()


def weighted_by_uncertainty(o, y):
    s = torch.tensor(0.3, dtype=o.dtype)
    first = F.cross_entropy(o[:, :2], y % 2)
    return torch.exp(-s) * first + s + F.cross_entropy(o, y) / 2


def split_labels(o, y):
    coarse = torch.div(y, 2, rounding_mode="floor")
    return F.cross_entropy(o[:, :2], coarse) + F.cross_entropy(o[:, 2:], y % 2)


def two_views(o, y):
    return F.cross_entropy(torch.cat([o, 2 * o]), torch.cat([y, y]))


def repeated(o, y):
    return F.cross_entropy(torch.cat([o, 2 * o]), y.repeat(2))


def interleaved(o, y):
    return F.cross_entropy(o.repeat_interleave(2, 0), y.repeat_interleave(2))


def of_levels(o, y):
    levels = (torch.arange(C - 1) < y.unsqueeze(1)).double()
    return F.binary_cross_entropy_with_logits(o[:, :3], levels)


def of_expectation(o, y):
    value = (o.softmax(1) * torch.arange(C)).sum(1)
    return F.l1_loss(value, y.to(value)) + F.cross_entropy(o, y)


def by_noise(o, y):
    noise = torch.eye(C, dtype=o.dtype) * 0.7 + 0.3 / C
    return F.nll_loss((o.softmax(1) @ noise).log(), y)


def by_noise_of_labels(o, y):
    noise = torch.eye(C, dtype=o.dtype) * 0.7 + 0.3 / C
    return -(noise[y] * o.log_softmax(1)).sum(1).mean()


# Ignored labels by hand.
def ignored_by_product(o, y):
    valid = (y != 2).double()
    return (each(o, y) * valid).sum() / valid.sum().clamp(min=1)


def ignored_by_mask(o, y):
    valid = y != 2
    return F.cross_entropy(o[valid], y[valid])


def ignored_losses_by_mask(o, y):
    return each(o, y)[y != 2].mean()


def ignored_by_nonzero(o, y):
    valid = torch.nonzero(y != 2).squeeze(1)
    return F.cross_entropy(o[valid], y[valid])


def ignored_by_assignment(o, y):
    y = y.clone()
    y[y == 2] = -100
    return F.cross_entropy(o, y)


def ignored_by_where(o, y):
    return F.cross_entropy(o, torch.where(y == 2, -100, y))


def ignored_by_masked_fill(o, y):
    return F.cross_entropy(o, y.masked_fill(y == 2, -100), ignore_index=-100)


def ignored_of_clamped(o, y):
    valid = (y < 3).double()
    return (each(o, y.clamp(max=2)) * valid).sum() / (valid.sum() + 1e-8)


def ignored_pixels(o, y):
    o, y = o.permute(0, 2, 3, 1).reshape(-1, C), y.reshape(-1)
    valid = (y != 2).double()
    return (F.cross_entropy(o, y, reduction="none") * valid).sum() / valid.sum()


def ignored_tokens(o, y):
    return F.cross_entropy(o.reshape(-1, C), y.reshape(-1), ignore_index=2)


def shifted_tokens(o, y):
    return F.cross_entropy(o[:, :-1].reshape(-1, C), y[:, 1:].reshape(-1))


def averaged_within_sequences(o, y):
    ce = F.cross_entropy(o.transpose(1, 2), y, reduction="none")
    valid = (y != 2).double()
    return ((ce * valid).sum(1) / valid.sum(1).clamp(min=1)).mean()


def if_there_are_any(o, y):
    if (y == 2).sum() == 0:
        return 0 * o.sum()
    return (each(o, y) * (y == 2)).sum() / (y == 2).sum()


# Masks.
def dice_of_samples(o, y):
    p, t = o.sigmoid().flatten(1), y.flatten(1)
    return (1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)).mean()


def dice_of_the_batch(o, y):
    p, t = torch.sigmoid(o).view(-1), y.view(-1)
    return 1 - (2 * (p * t).sum() + 1e-9) / (p.sum() + t.sum() + 1e-9)


def dice_of_classes(o, y):
    p, t = o.softmax(1), F.one_hot(y, C).permute(0, 3, 1, 2).double()
    return 1 - (2 * (p * t).sum((0, 2, 3)) / (p + t).sum((0, 2, 3))).mean()


def dice_of_einsum(o, y):
    p, t = o.sigmoid(), y
    hits = torch.einsum("bcwh,bcwh->bc", p, t)
    return (1 - 2 * hits / (torch.einsum("bcwh->bc", p) + torch.einsum("bcwh->bc", t))).mean()


def jaccard(o, y):
    p = o.sigmoid()
    hits = (p * y).sum((1, 2, 3))
    return -torch.log(hits / (p.sum((1, 2, 3)) + y.sum((1, 2, 3)) - hits)).mean()


def tversky_of_the_batch(o, y):
    p = o.sigmoid().reshape(-1)
    y = y.reshape(-1)
    tp, fp, fn = (p * y).sum(), ((1 - y) * p).sum(), (y * (1 - p)).sum()
    return (1 - tp / (tp + 0.3 * fp + 0.7 * fn)) ** 0.75


def dice_of_the_union(o, y):
    p, t = o.sigmoid(), y
    return (1 - (p * t).sum((2, 3)) / torch.maximum(p, t).sum((2, 3))).mean()


# Values.
def root_of_mean(o, y):
    return torch.sqrt(F.mse_loss(o, y) + 1e-8)


def quantile(o, y):
    e = y - o
    return torch.max(0.9 * e, -0.1 * e).mean()


def log_cosh(o, y):
    return torch.log(torch.cosh(o - y)).mean()


def wing(o, y):
    d = (o - y).abs()
    return torch.where(d < 1, torch.log(1 + d / 0.5), d - 1 + 1.0986).mean()


def concordance(o, y):
    v, w = o - o.mean(), y - y.mean()
    covariance = (v * w).mean()
    return 1 - 2 * covariance / (v.square().mean() + w.square().mean() + (o.mean() - y.mean()) ** 2)


def correlation(o, y):
    v, w = o - o.mean(), y - y.mean()
    return 1 - (v * w).sum() / (v.square().sum().sqrt() * w.square().sum().sqrt())


def explained(o, y):
    return (o - y).square().sum() / (y - y.mean()).square().sum()


def ranked(o, y):
    wanted = torch.sign(y[:, None] - y[None, :])
    return F.relu(1 - wanted * (o[:, None] - o[None, :])).mean()


def standardised(o, y):
    return F.mse_loss(o, (y - 0.3) / 1.7)


def standardised_by_the_batch(o, y):
    return F.mse_loss(o, (y - y.mean()) / y.std())


def relative(o, y):
    return ((o - y).abs() / y.abs().clamp(min=0.1)).mean()


def weighted_by_value(o, y):
    return ((1 + y.abs()) * (o - y) ** 2).mean()


def gaussian(o, y):
    return -torch.distributions.Normal(o, 0.7).log_prob(y).mean()


KINDS = {
    **dict.fromkeys(
        ("focal_of_labels", "focal_by_where", "focal_normalised_by_positives",
         "balanced_positives", "balanced_by_pos_weight"), "labels"),
    **dict.fromkeys(("hardest_pixels", "ignored_pixels", "dice_of_classes"), "masks"),
    **dict.fromkeys(("ignored_tokens", "shifted_tokens", "averaged_within_sequences"), "tokens"),
    **dict.fromkeys(
        ("dice_of_samples", "dice_of_the_batch", "dice_of_einsum", "jaccard",
         "tversky_of_the_batch", "dice_of_the_union"), "binary masks"),
    **dict.fromkeys(
        ("ranked", "concordance", "correlation", "explained", "standardised_by_the_batch"),
        "a value"),
    **dict.fromkeys(
        ("root_of_mean", "quantile", "log_cosh", "wing", "standardised", "relative",
         "weighted_by_value", "gaussian"), "values"),
}  # fmt: skip
# All others are of classes.
HELPERS = {"each", "hot", "rows"}
