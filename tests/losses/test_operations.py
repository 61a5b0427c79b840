"""Whatever an operation makes of mixed targets, each value has the weight of its own sample.

A value of the result must change only with the sample whose weight it bears. Samples, values and
sizes of kernels are as many as each other, so that no axis is known by its size. An operation may
be refused, or give plain values, which have counted both targets.
"""

import pytest
import torch
import torch.nn.functional as F  # noqa: F401

from vicinal import MixedTarget, MixedTensor, as_tensors
from vicinal.mixed.tensor import own_targets

SIZE = 4
G = torch.Generator().manual_seed(0)
K = torch.randn(SIZE, SIZE, generator=G, dtype=torch.float64)
K3 = torch.randn(SIZE, SIZE, SIZE, generator=G, dtype=torch.float64)
P, perm = torch.randint(SIZE, (SIZE,), generator=G), torch.tensor([2, 0, 3, 1])
WEIGHT = torch.tensor([0.9, 0.7, 0.6, 0.55], dtype=torch.float64)
OPERATIONS_OF_VALUES = """
    y@K | K@y | y.T@K | K@y.T | torch.mm(y,K) | torch.matmul(K,y) | F.linear(y,K)
    F.linear(K,y) | F.bilinear(y,y,K3) | torch.einsum("bi,ij->bj",y,K)
    torch.einsum("ij,jb->ib",K,y) | torch.einsum("bi,bi->b",y,K) | torch.einsum("bi,bi->i",y,K)
    torch.einsum("bi,bj->bij",y,K) | torch.einsum("bi,bj->ij",y,K)
    torch.einsum("ij,kj->ik",y,K) | torch.einsum("ij,ik->jk",y,y)
    torch.einsum("...i,...i->...",y,K) | torch.einsum("ii->i",y) | torch.tensordot(y,K,1)
    torch.tensordot(y,K,([0],[0])) | torch.outer(y[:,0],K[0]) | torch.kron(y,K)
    torch.inner(y,K) | torch.addmm(K,y,K) | torch.addmv(K[0],y,K[1]) | y.mv(K[0])
    torch.vdot(y[:,0],K[0]) | torch.dot(y[:,0],K[0])
    torch.baddbmm(K3,y[None].expand(4,4,4),K3) | torch.bmm(y[:,:,None],K[:,None])
    torch.bmm(y[None],K[None]) | torch.linalg.multi_dot([y,K,K]) | y.sort(0)[0] | y.sort(1)[0]
    y.sort()[1] | y.sort(dim=-1,descending=True)[0] | y.argsort(1) | y.argsort(0)
    y.topk(2,1)[0] | y.topk(2,0)[0] | y.topk(2)[1] | y.kthvalue(2,1)[0] | y.kthvalue(2,0)[0]
    y.median(1)[0] | y.median(0)[0] | y.mode(1)[0] | y.max(1)[0] | y.max(0)[0] | y.max(1)[1]
    y.min(dim=1,keepdim=True)[0] | y.cummax(1)[0] | y.cummax(0)[0] | y.aminmax(dim=1)[0]
    y.aminmax(dim=0)[0] | y.amax((0,1)) | y.amax(1) | y.amax(0) | y.amin(-1) | y.std(1)
    y.std(0) | y.std() | y.var(1) | y.var(0) | y.var(dim=(0,1)) | torch.var_mean(y,1)[0]
    torch.std_mean(y,0)[0] | y.std(dim=1,keepdim=True) | torch.std(y,1,True) | y.nanmean(1)
    y.nanmean(0) | y.nansum(0) | y.nansum(1) | y.nansum() | y.nanmean() | y.nanmedian(1)[0]
    y.quantile(.5,1) | y.quantile(.5,0) | y.logsumexp(1) | y.logsumexp(0) | y.logcumsumexp(1)
    y.cumsum(1) | y.cumsum(0) | y.cumprod(1) | y.cumprod(0) | y.diff(dim=0) | y.diff(dim=1)
    y.diff() | torch.diff(y,n=1,dim=1,prepend=K[:,:1]) | torch.diff(y,prepend=y[:1],dim=0)
    torch.trapezoid(y,dim=1) | torch.trapezoid(y,dim=0) | torch.gradient(y,dim=1)[0]
    torch.gradient(y,dim=0)[0] | F.pad(y,(1,1)) | F.pad(y,(0,0,1,1))
    F.pad(y,(1,0,0,1),value=2.) | F.pad(y[None],(1,1),mode="reflect")
    F.pad(y,(1,1),mode="replicate") | F.pad(y[:,None],(1,1),mode="circular")
    F.cosine_similarity(y,K) | F.cosine_similarity(y,K,dim=0) | F.cosine_similarity(y,K,dim=-1)
    F.cosine_similarity(K,y,1) | F.cosine_similarity(y[:,None],K[None],dim=2)
    F.cosine_similarity(y[None],K[:,None],dim=2) | F.pairwise_distance(y,K)
    F.pairwise_distance(y,y.flip(0)) | torch.cdist(y,K) | torch.cdist(y,y)
    torch.linalg.vector_norm(y,dim=1) | torch.linalg.vector_norm(y,dim=0)
    torch.linalg.vector_norm(y) | torch.linalg.norm(y,dim=1) | torch.linalg.norm(y,ord=1,dim=1)
    torch.linalg.norm(y) | torch.linalg.norm(y,1) | y.norm(2,0) | y.norm(2,1) | y.norm()
    torch.norm(y,dim=1) | torch.dist(y,K) | torch.linalg.matrix_norm(y) | F.normalize(y,dim=0)
    F.normalize(y,dim=1) | F.layer_norm(y,(4,)) | F.layer_norm(y,(4,4))
    F.batch_norm(y,None,None,training=True) | F.instance_norm(y[None])
    F.instance_norm(y[:,None]) | F.group_norm(y,2) | F.softmax(y,0) | F.softmax(y,1)
    F.log_softmax(y,-1) | F.softmin(y,1) | F.softmin(y,0) | F.gumbel_softmax(y,dim=1)
    F.glu(y,1) | F.glu(y,0) | F.threshold(y,.1,0) | F.prelu(y,K[0])
    F.local_response_norm(y[:,:,None],2) | F.rms_norm(y,(4,)) | F.conv1d(y[:,None],K[:,None,:3])
    F.conv1d(y[None],K3[:,:,:3]) | F.conv1d(y,K3[:,:,:3]) | F.conv1d(K[:,None],y[:,None,:3])
    F.conv2d(y[:,None,None],K[:1,None,None,:3]) | F.conv2d(y[None,None],K[None,None,:3,:3])
    F.conv2d(y[None],K[None,None,:3,:3]) | F.conv1d(y[:,:,None],K[:,:,None])
    F.conv_transpose1d(y[:,None],K[:1,None,:3]) | F.max_pool1d(y[:,None],2) | F.max_pool1d(y,2)
    F.max_pool1d(y[None],2) | F.avg_pool1d(y[:,None],2) | F.avg_pool1d(y,2)
    F.avg_pool1d(y.T,2) | F.adaptive_avg_pool1d(y,1) | F.adaptive_avg_pool1d(y.T[None],2)
    F.max_pool2d(y[None],2) | F.max_pool2d(y[None,None],2) | F.max_pool2d(y.view(4,1,2,2),2)
    F.avg_pool2d(y.view(4,1,2,2),2) | F.avg_pool2d(y[None],2) | F.avg_pool2d(y.view(4,2,2),2)
    F.interpolate(y[:,None],scale_factor=2) | F.interpolate(y[None],scale_factor=2)
    F.interpolate(y[None,None],scale_factor=2) | F.interpolate(y.view(4,1,2,2),size=4)
    F.interpolate(y.view(4,1,2,2),size=3,mode="bilinear") | F.unfold(y.view(4,1,2,2),2)
    F.unfold(y[None,None],2) | F.fold(y[:,:,None],2,2) | F.pixel_shuffle(y.view(4,4,1,1),2)
    F.pixel_unshuffle(y.view(4,1,2,2),2)
    F.grid_sample(y.view(4,1,2,2),torch.zeros(4,2,2,2).double())
    F.affine_grid(y.view(4,2,2).repeat(1,1,2)[:,:,:3],(4,1,2,2)) | y.repeat_interleave(2,0)
    y.repeat_interleave(2,1) | y.repeat_interleave(2)
    torch.repeat_interleave(y,torch.tensor([1,2,1,2]),0)
    torch.repeat_interleave(y,torch.tensor([1,2,1,2]),1) | y.tile(2) | y.tile(2,1)
    y.tile((2,)) | y.repeat(2,1) | y.repeat(1,2) | y.unfold(0,2,1) | y.unfold(1,2,1) | y.roll(1)
    y.roll(1,0) | y.roll(1,1) | y.roll((1,1),(0,1)) | y.rot90() | torch.rot90(y,2) | y.flip(0)
    y.flip(1) | y.flip(0,1) | y.fliplr() | y.flipud() | torch.triu(y) | y.tril(1) | y.diag()
    y.diagonal() | torch.diag_embed(y) | torch.diagflat(y) | y.t() | y.mT | y.movedim(0,1)
    y.permute(1,0) | y[:,None].expand(4,4,4) | y[None].expand(4,4,4) | y.expand(4,4,4)
    y.view(2,8) | y.view(-1) | y.view(8,2) | y.reshape(2,2,4)
    y.reshape(2,2,4).transpose(0,1).reshape(4,4) | y.T.reshape(4,4) | y.T.reshape(-1)
    y.T.reshape(2,8) | y.T.contiguous().view(8,2) | y.unflatten(0,(2,2)) | y.unflatten(1,(2,2))
    y.flatten() | y.swapaxes(0,1).flatten() | y[perm] | y[:,perm] | y[perm,P]
    y[torch.arange(4),P] | y[P,torch.arange(4)] | y[K>0] | y[:,K[0]>0] | y[K[:,0]>0] | y[[0,2]]
    y[:,[0,2]] | y[::2] | y[:,::2] | y[1:] | y[:,1] | y[...,1] | y[...,None] | y[None] | y[1:2]
    y[-1:] | y[y[:,0]>0] | y.select(1,0) | y.narrow(0,1,2) | y.narrow(1,1,2)
    y.index_select(0,perm) | y.index_select(1,perm) | torch.index_select(y,-1,perm)
    y.gather(1,P[:,None]) | y.gather(0,P[None]) | torch.take_along_dim(y,P[:,None],1)
    torch.take_along_dim(y,P[None],0) | y.take(P) | y.masked_select(K>0)
    torch.masked.mean(y,1) | y.masked_fill(K>0,0) | torch.where(K>0,y,K)
    torch.where(y>0,y,K.T) | y.index_fill(0,perm[:2],0) | y.index_fill(1,perm[:2],0)
    y.index_add(0,perm,K) | y.index_add(1,perm,K) | K.index_add(0,perm,y)
    K.index_copy(0,perm,y) | y.scatter(1,P[:,None],0.) | y.scatter(0,P[None],0.)
    y.scatter_add(1,P[:,None],K) | torch.scatter(K,1,P[:,None],y)
    K.scatter(0,perm[:,None].expand(4,4),y) | K.scatter_add(0,P[:,None].expand(4,4),y)
    K.scatter_reduce(0,P[:,None].expand(4,4),y,"sum") | y.unbind(1)[0] | y.unbind(0)[0]
    y.split(2)[1] | y.split(2,1)[1] | y.split([1,3],0)[1] | y.chunk(2,0)[1]
    y.tensor_split(2,0)[1] | y.hsplit(2)[1] | y.vsplit(2)[1]
    torch.dsplit(y[...,None].repeat(1,1,2),2)[1] | torch.cat([y,K]) | torch.cat([K,y])
    torch.cat([y,K],1) | torch.cat([y,y.flip(0)]) | torch.cat([y,y.flip(0)],1)
    torch.stack([y,K]) | torch.stack([y,K],1) | torch.stack([y,y.flip(0)],1)
    torch.stack([y,y.flip(0)]) | torch.hstack([y,K]) | torch.vstack([y,K]) | torch.dstack([y,K])
    torch.column_stack([y,K]) | torch.row_stack([y,K]) | torch.block_diag(y,K)
    torch.cartesian_prod(y[:,0],K[0]) | torch.meshgrid(y[:,0],K[0],indexing="ij")[0]
    torch.broadcast_tensors(y,K3)[0] | torch.broadcast_tensors(y[:,None],K3)[0]
    torch.atleast_3d(y) | torch.combinations(y[:,0]) | y+K3 | y[:,None]+K3 | y-y.T | y*y.flip(0)
    y==y.flip(0) | y+y[:,0] | y+y[:,:1] | y-y.mean(1,keepdim=True) | y-y.mean(1) | y/y.sum(1)
    y/y.sum(1,keepdim=True) | torch.addcmul(K,y,K) | torch.lerp(y,K,.3) | torch.lerp(K,y.T,.3)
    torch.copysign(y,K) | torch.heaviside(y,K)
    torch.bucketize(y,torch.tensor([-1.,0,1]).double()) | torch.searchsorted(K.sort(1)[0],y)
    torch.searchsorted(y.sort(1)[0],K) | torch.searchsorted(torch.tensor([-1.,0,1]).double(),y)
    torch.logaddexp(y,K) | torch.special.xlogy(y.abs(),K.abs()) | torch.special.entr(y.abs())
    torch.isin(y,K) | torch.isin(K,y) | torch.histc(y) | y.unique() | torch.polygamma(1,y.abs())
    torch.lgamma(y.abs()) | y.cosh() | torch.sinc(y) | torch.nextafter(y,K) | torch.fmax(y,K)
    torch.ldexp(y,P) | torch.clamp(y,min=K,max=K+1) | torch.clamp(K,min=y) | torch.nan_to_num(y)
    torch.deg2rad(y) | torch.frexp(y)[0] | torch.complex(y,K).abs()
    torch.view_as_real(torch.complex(y,K)) | torch.fft.fft(y).abs()
    torch.fft.fft(y,dim=0).abs() | torch.fft.rfft2(y).abs() | torch.trace(y) | torch.det(y)
    torch.linalg.inv(y) | torch.corrcoef(y) | torch.cov(y) | torch.count_nonzero(y>0,1)
    torch.count_nonzero(y>0,0) | (y>0).sum(1) | (y>0).sum(0) | (y>0).any(1) | (y>0).all(0)
    (y>0).any(0) | y.prod(1) | y.prod(0) | y.prod() | y.mean(0) | y.mean() | y.sum((0,1))
    y.sum(0) | y.mean(1) | torch.renorm(y,2,0,1.) | torch.renorm(y,2,1,1.)
    torch.bernoulli(y.sigmoid()) | F.dropout(y) | F.embedding(P,y) | F.embedding_bag(P[None],y)
    torch.distributions.Normal(K,1.).log_prob(y) | torch.distributions.Normal(y,1.).log_prob(K)
    torch.distributions.Categorical(logits=y).log_prob(P)
    torch.distributions.Independent(torch.distributions.Normal(K,1.),1).log_prob(y)
    torch.distributions.MultivariateNormal(torch.zeros(4).double(),torch.eye(4).double()).log_prob(y)
    torch.distributions.Dirichlet(K.abs()+.1).log_prob(y.softmax(1))
    F.mse_loss(K,y,reduction="none") | F.mse_loss(K[:1],y[:,:1].T,reduction="none")
    F.cross_entropy(K,y.softmax(1),reduction="none") | F.cross_entropy(y,P,reduction="none")
    F.kl_div(K.log_softmax(1),y.softmax(1),reduction="none")
    F.cosine_embedding_loss(K,y,torch.ones(4).double(),reduction="none")
    F.triplet_margin_loss(K,y,K.flip(0),reduction="none")
    F.triplet_margin_loss(K,y,y.flip(0),reduction="none")
    F.margin_ranking_loss(K,K.flip(0),y.sign(),reduction="none")
    F.margin_ranking_loss(K[0],K[1],y[:,0].sign(),reduction="none")
    F.mse_loss(K,y.T,reduction="none") | F.mse_loss(K,y.T) | F.l1_loss(K.T,y.T)
    F.huber_loss(K.flatten(),y.flatten()) | F.mse_loss(K[None],y[None])
    F.mse_loss(K3.mean(0),y) | F.cross_entropy(K.T[None],y.softmax(1).T[None])
"""
CODES = [code.strip() for line in OPERATIONS_OF_VALUES.splitlines() for code in line.split(" | ")]
CODES = [
    *filter(None, CODES),
    "y.gather(0, perm[:, None].expand(4, 4))",
    "y.gather(dim=-2, index=perm[:, None].expand(4, 4))",
    "y.gather(0, torch.stack([perm, P, perm, P], 1))",
    "y.gather(0, y[:, :1].abs().long().clamp(max=3))",
    "y.gather(1, y.abs().long().clamp(max=3))",
    "y[:, 0].gather(0, perm)",
    "torch.take_along_dim(y[:, 0], perm)",
    "torch.take_along_dim(y, perm)",
    "torch.take_along_dim(y, perm[:, None], dim=0)",
    "torch.take_along_dim(y, y.abs().long().clamp(max=3), 0)",
    "torch.take_along_dim(y, y.abs().long().clamp(max=3), 1)",
    "torch.index_select(y, dim=-2, index=perm)",
    "y.T.index_select(1, perm)",
    "y[:, 0].index_select(0, P)",
    "y.index_select(0, y[:, 0].abs().long().clamp(max=3))",
    "y.scatter(0, perm[:, None].expand(4, 4), y)",
    "y.scatter(0, perm[:, None].expand(4, 4), y * 2)",
    "y.scatter(0, y.abs().long().clamp(max=3), 0.0)",
    "y.scatter(0, perm[:, None].expand(4, 4), K)",
    "y.scatter(1, P[:, None], y)",
    "y.scatter(1, y.abs().long().clamp(max=3), 0.0)",
    "y.index_put((perm,), K)",
    "y.index_put((perm,), y)",
    "y.index_copy(0, perm, y)",
    "y.index_add(0, perm, y)",
    "y.scatter_add(0, perm[:, None].expand(4, 4), y)",
    "y.clone().copy_(y.flip(0))",
    "torch.where(K > 0, y, y[perm])",
    "torch.cat([y[2:], y[:2]])",
    "torch.cat([y[perm], y], 1)",
    "y[perm].gather(0, perm[:, None].expand(4, 4))",
]


def run(code, y):
    torch.manual_seed(0)
    return eval(code, globals(), {"y": y})


def value(tensor):
    return torch.nan_to_num(tensor.double(), 0.125)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", CODES)
def test_each_value_bears_the_weight_of_its_sample(code):
    g = torch.Generator().manual_seed(1)
    own, partner = torch.randn(2, SIZE, SIZE, generator=g, dtype=torch.float64)
    expected = run(code, own), run(code, partner)
    try:
        found = run(code, as_tensors(MixedTarget(own.clone(), partner, WEIGHT)))
    except ValueError as error:
        assert "mixed" in str(error) or "own_targets" in str(error), error  # noqa: PT017
        return
    if not isinstance(found, MixedTensor):
        assert not torch.equal(value(found), value(expected[0])), "of the own targets alone"
        return
    weight = found.weight.expand(found.shape).double()
    plain = own_targets(found)
    assert torch.equal(value(plain), value(expected[0]))
    assert torch.equal(value(found.partner), value(expected[1]))
    for sample in range(SIZE):
        changed = own.clone()
        changed[sample] += 3.3 * torch.randn(SIZE, generator=g, dtype=torch.float64)
        result = run(code, changed)
        if result.shape == plain.shape:  # the number of what a mask selects may be another one
            of_others = (weight - WEIGHT[sample]).abs() > 1e-9
            is_changed = value(result) != value(plain)
            assert not (is_changed & of_others).any(), f"of sample {sample}"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("(y == 5).any()", True),
        ("(y < 5).all()", False),
        ("torch.equal(y, torch.tensor([0, 1, 2]))", False),
        ("torch.equal(torch.tensor([0, 1, 2]), y)", False),
        ("y.equal(y + 0)", True),
        ("torch.allclose(y, torch.tensor([0, 1, 2]))", False),
        ("torch.allclose(torch.tensor([0, 1, 2]), y)", False),
        ("y.allclose(torch.tensor([0, 1, 2]), atol=3)", True),
        ("5 in y", True),
        ("2 in y", True),
        ("4 in y", False),
        ("bool(y[:1] == 0)", True),
        ("torch.is_nonzero(y[1:2])", True),
        ("bool(y[2:] == 5)", None),
        ("(y[2:] == 2).is_nonzero()", None),
        ("not y[2:] == 2", None),
        ("y[2:] in torch.tensor([5])", True),
    ],
)
def test_questions_about_labels_see_the_partners(question, answer):
    own, partner = torch.tensor([0, 1, 2]), torch.tensor([0, 1, 5])
    y = as_tensors(MixedTarget(own, partner, torch.tensor([0.5, 0.7, 0.9])))
    if answer is None:
        with pytest.raises(ValueError, match="cannot be computed from mixed targets"):
            run(question, y)
    else:
        assert bool(run(question, y)) == answer
